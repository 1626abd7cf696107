from __future__ import annotations

from django.urls import path

from chat.pages import call_views, file_views, question_views, run_views, views

app_name = "chat"
urlpatterns = [
    path("", views.conversations, name="list"),
    path("new/", views.new, name="new"),
    path("new/resources/", file_views.new_resources, name="new-resources"),
    path("<uuid:conversation_id>/", views.conversation, name="conversation"),
    path("<uuid:conversation_id>/manage/", views.manage, name="manage"),
    path("<uuid:conversation_id>/resources/", file_views.resources, name="resources"),
    path("attachments/<uuid:attachment_id>/", file_views.attachment, name="attachment"),
    path("runs/<uuid:run_id>/edit/", run_views.edit, name="edit"),
    path("runs/<uuid:run_id>/again/", run_views.again, name="again"),
    path("runs/<uuid:run_id>/stop/", run_views.stop, name="stop"),
    path("runs/<uuid:run_id>/given/", run_views.given, name="given"),
    path("calls/<uuid:step_id>/", call_views.call, name="step"),
    path("calls/<uuid:step_id>/decide/", call_views.decide, name="decide"),
    path("calls/<uuid:step_id>/retry/", call_views.retry, name="retry"),
    path("calls/<uuid:step_id>/media/<int:number>/", file_views.media, name="media"),
    path("questions/<uuid:question_id>/", question_views.answer, name="answer"),
]

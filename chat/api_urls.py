from __future__ import annotations

from django.urls import path

from chat import api_conversations, api_events, api_messages, api_questions, api_runs

app_name = "chat_api"
urlpatterns = [
    path("conversations/", api_conversations.ConversationsView.as_view(), name="conversations"),
    path("conversations/<uuid:conversation_id>/", api_conversations.ConversationView.as_view(), name="conversation"),
    path("conversations/<uuid:conversation_id>/export/", api_conversations.ExportView.as_view(), name="conversation-export"),
    path("conversations/<uuid:conversation_id>/messages/", api_messages.MessagesView.as_view(), name="messages"),
    path("attachments/<uuid:attachment_id>/", api_runs.AttachmentView.as_view(), name="attachment"),
    path("runs/<uuid:run_id>/", api_runs.RunView.as_view(), name="run"),
    path("runs/<uuid:run_id>/events/", api_events.RunEventsView.as_view(), name="run-events"),
    path("runs/<uuid:run_id>/cancel/", api_messages.CancelView.as_view(), name="run-cancel"),
    path("runs/<uuid:run_id>/edit/", api_messages.EditView.as_view(), name="run-edit"),
    path("runs/<uuid:run_id>/again/", api_messages.AgainView.as_view(), name="run-again"),
    path("questions/", api_questions.QuestionsView.as_view(), name="questions"),
    path("questions/<uuid:question_id>/", api_questions.QuestionView.as_view(), name="question"),
    path("questions/<uuid:question_id>/answer/", api_questions.AnswerView.as_view(), name="question-answer"),
    path("steps/<uuid:step_id>/retry/", api_messages.RetryView.as_view(), name="step-retry"),
]

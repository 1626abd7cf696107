"""What the pages of one's account have of conversations."""

from __future__ import annotations

from django.urls import path

from chat.pages import keeping_views

urlpatterns = [path("conversations/", keeping_views.keeping, name="conversations")]

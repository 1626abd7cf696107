"""What one answers a server that asks in the middle of a call."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from accounts.requests import user_of
from agentopia.lib.errors import InvalidInput
from chat.pages.questions import QuestionForm
from chat.pages.views import sent
from chat.selectors import question_for
from chat.services.questions import answer_question

REFUSED = 422


@require_POST
def answer(request: HttpRequest, question_id: UUID) -> HttpResponse:
    """Answer, decline or cancel. What does not fit comes back as it was typed."""
    user = user_of(request)
    question = question_for(user, question_id)
    action = request.POST.get("action", "accept")
    if action != "accept" or question.url:
        answer_question(user=user, question_id=question.pk, action=action, content=None)
        return sent(request, question.step.run.conversation_id)
    form = QuestionForm(request.POST, question=question)
    problem = ""
    if form.is_valid():
        try:
            answer_question(user=user, question_id=question.pk, action=action, content=form.content())
        except InvalidInput as error:
            form.add_problems(error.fields)
            problem = "" if error.fields else error.message
        else:
            return sent(request, question.step.run.conversation_id)
    return render(request, "chat/question.html", {"question": question, "form": form, "problem": problem}, status=REFUSED)

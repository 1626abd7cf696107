"""Components that hold content, as block tags: ``{% load blocks %}``, ``{% card title="Tools" %}…{% endcard %}``."""

from __future__ import annotations

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


def trimmed(content: str) -> SafeString:
    """A block's rendered (so escaped) content without the template's own white space, which ``pre`` and ``:empty`` would see."""
    return mark_safe(content.strip())  # noqa: S308 (escaped by the template that rendered it)


@register.simple_block_tag
def card(content: str, title: str = "", flush: bool = False) -> SafeString:
    """A box with a heading; ``flush`` lets rows or a table reach its edges."""
    return render_to_string("components/card.html", {"content": content, "title": title, "flush": flush})


@register.simple_block_tag
def section(content: str, title: str, count: int | None = None, id: str = "") -> SafeString:
    """A part of a page under a heading of its own."""
    return render_to_string("components/section.html", {"content": content, "title": title, "count": count, "id": id})


@register.simple_block_tag
def empty(content: str, title: str, icon: str = "package") -> SafeString:
    """What stands where a list has nothing to show: the content says what to do next."""
    return render_to_string("components/empty.html", {"content": content, "title": title, "icon": icon})


@register.simple_block_tag
def banner(content: str, title: str = "", tone: str = "info") -> SafeString:
    """Something about the page as a whole; ``tone`` is info, success, warning or error."""
    return render_to_string("components/banner.html", {"content": content, "title": title, "tone": tone})


@register.simple_block_tag
def menu(content: str, id: str, label: str, icon: str = "ellipsis", text: str = "", size: str = "") -> SafeString:
    """A button that opens a popover of ``.menu-item``; ``label`` names it, ``text`` is shown beside the icon."""
    values = {"content": content, "id": id, "label": label, "icon": icon, "text": text, "size": size}
    return render_to_string("components/menu.html", values)


@register.simple_block_tag
def dialog(content: str, id: str, title: str, size: str = "") -> SafeString:
    """A modal dialog, opened by ``<button command="show-modal" commandfor="ID">``."""
    return render_to_string("components/dialog.html", {"content": content, "id": id, "title": title, "size": size})


@register.simple_block_tag(takes_context=True)
def confirm(context: template.Context, content: str, id: str, title: str, action: str, submit: str, htmx: bool = False) -> SafeString:
    """A dialog that POSTs to ``action``; its content says what that will destroy. ``htmx`` sends it without leaving the page.

    Fields in the content (a checkbox "delete its data too") are part of the form.
    """
    values = {"content": content, "id": id, "title": title, "action": action, "submit": submit, "htmx": htmx}
    return render_to_string("components/confirm.html", values | {"csrf_token": context.get("csrf_token", "")})


@register.simple_block_tag
def log(content: str, id: str, title: str = "Log", empty: str = "Nothing has been printed yet.", size: str = "") -> SafeString:
    """Some lines of a log; ``size="s"`` is for a few last ones. A whole log has a page of its own (`static/js/log/`)."""
    return render_to_string("components/log.html", {"content": trimmed(content), "id": id, "title": title, "empty": empty, "size": size})


@register.simple_block_tag
def code(content: str, id: str, label: str = "Code", line: bool = False) -> SafeString:
    """Text to read and copy; ``line`` for a single one, such as a command or an address."""
    return render_to_string("components/code.html", {"content": trimmed(content), "id": id, "label": label, "line": line})

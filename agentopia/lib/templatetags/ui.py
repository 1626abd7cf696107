"""The dashboard's components as template tags: ``{% load ui %}``. Each renders a template of ``templates/components``.

``/styleguide/`` shows every one of them in all its states.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Protocol

from django import template
from django.core.paginator import Page
from django.forms import BoundField
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString

register = template.Library()

ICON_NAME = re.compile(r"[a-z0-9-]+")
AVATAR_HUES = 8
TONE_ICONS = {"success": "circle-check", "info": "info", "debug": "info", "warning": "triangle-alert", "error": "octagon-x"}
STATES = {
    # state: (icon, word)
    "preparing": ("circle-dashed", "Preparing"),
    "starting": ("loader-circle", "Starting"),
    "running": ("circle-check", "Running"),
    "unhealthy": ("triangle-alert", "Unhealthy"),
    "crashed": ("octagon-x", "Crashed"),
    "stopped": ("circle-stop", "Stopped"),
    "unknown": ("circle-question-mark", "Unknown"),
    "deleting": ("trash-2", "Deleting"),
    "failed": ("circle-x", "Failed"),
    "waiting": ("circle-dashed", "Waiting"),
    "done": ("circle-check", "Done"),
    "online": ("circle-check", "Online"),
    "offline": ("wifi-off", "Offline"),
    "pending": ("circle-dashed", "Pending"),
    "unresponsive": ("wifi-off", "Unresponsive"),
    "no_engine": ("triangle-alert", "No engine"),
    "revoked": ("lock", "Revoked"),
    "removing": ("trash-2", "Removing"),
    "removed": ("trash-2", "Removed"),
}
TURNING = frozenset({"starting", "preparing"})


class LogLine(Protocol):
    """What a line of a log must have; `dtma_wire.LogLine` has it."""

    @property
    def ts(self) -> datetime: ...
    @property
    def stream(self) -> str: ...
    @property
    def text(self) -> str: ...


@lru_cache(maxsize=2048)
def _rendered(component: str, **context: Any) -> SafeString:
    """A component that is made of nothing but its arguments, and is on a page again and again: a list of 100 rows has 600 of them."""
    return render_to_string(f"components/{component}.html", context)


def _plain(text: str) -> str:
    """Without the mark of a safe string: the cache takes both for the same, and must render neither as it may only the other."""
    return "".join(text)


@register.simple_tag
def icon(name: str, size: int = 16, label: str = "", spin: bool = False) -> SafeString:
    """An icon of ``templates/icons``, 12, 14, 16, 20 or 24 px. Hidden from screen readers unless it has a ``label``."""
    if not ICON_NAME.fullmatch(name):
        raise template.TemplateSyntaxError(f"{name!r} cannot be the name of an icon")
    return _rendered("icon", name=name, shapes=f"icons/{name}.svg", size=size, label=_plain(label), spin=bool(spin))


@register.simple_tag
def status(state: str, label: str = "", variant: str = "", tip: str = "") -> SafeString:
    """A server's, toolbox's or deployment's state; ``variant`` is "", "pill" or "icon". An unheard-of state shows as unknown."""
    known = str(state) if str(state) in STATES else "unknown"
    shape, word = STATES[known]
    return _rendered(
        "status", state=known, icon=shape, label=_plain(label or word), variant=variant, tip=_plain(tip), spin=known in TURNING
    )


@register.filter
def state_word(state: str) -> str:
    """A state as a person reads it."""
    return STATES.get(str(state), STATES["unknown"])[1]


@register.inclusion_tag("components/step.html")
def step(
    name: str,
    state: str,
    detail: str = "",
    fraction: float | None = None,
    seconds: float | None = None,
    since: datetime | None = None,
    id: str = "",
) -> dict[str, Any]:
    """One step of ``<ol class="steps">``: waiting, running, done or failed.

    ``seconds`` is what it took; ``since`` is when a running one began (counted up in the page). ``fraction`` is 0…1.
    """
    shape = {"running": "loader-circle", "done": "circle-check", "failed": "circle-x"}.get(str(state), "circle-dashed")
    return {
        "name": name,
        "state": str(state),
        "icon": shape,
        "spin": shape == "loader-circle",
        "word": {"running": "in progress", "done": "done", "failed": "failed"}.get(str(state), "waiting"),
        "detail": detail,
        "percent": None if fraction is None else round(100 * min(1.0, max(0.0, fraction))),
        "seconds": seconds,
        "since": since,
        "id": id,
    }


@register.simple_tag
def ago(moment: datetime | None, empty: str = "never") -> SafeString:
    """How long ago, kept current by time.js; the exact time is its title. ``empty`` stands for None."""
    if not moment:  # a template's "" for what is not there
        return _rendered("ago", empty=_plain(empty))
    seconds = max(0.0, (timezone.now() - moment).total_seconds())
    return _rendered("ago", moment=moment, text=ago_text(seconds) if seconds <= 30 * 86400 else date_format(moment, "j M Y"))


def ago_text(seconds: float) -> str:
    """Seconds in a few letters, as static/js/time.js writes them."""
    if seconds < 5:
        return "just now"
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return f"{int(seconds)} s ago"


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds for a person: ``40 ms``, ``1.4 s``, ``2 min 05 s``, ``3 h 20 min``; nothing for None."""
    if seconds is None:
        return ""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


@register.filter
def pretty_json(value: Any) -> str:
    """A JSON value over several lines, keys in their own order."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


@register.simple_tag
def avatar(name: str, shape: str = "round") -> SafeString:
    """Two letters on a colour of their own; ``shape`` is "round" for people, "square" for things."""
    words = re.findall(r"[^\W_]+", name.partition("@")[0]) or ["?"]
    letters = words[0][:2] if len(words) == 1 else words[0][0] + words[-1][0]
    hue = hashlib.sha256(name.encode()).digest()[0] % AVATAR_HUES
    return _rendered("avatar", letters=letters, shape=shape, hue=hue)


@register.inclusion_tag("components/field.html")
def field(bound: BoundField) -> dict[str, Any]:
    """A form field with its label, help and errors."""
    kind = getattr(bound.field.widget, "input_type", "")
    several = getattr(bound.field.widget, "allow_multiple_selected", False)
    return {"field": bound, "checkbox": kind == "checkbox" and not several, "secret": kind == "password", "several": several}


@register.inclusion_tag("components/toast.html")
def toast(message: str, level: str = "info", oob: bool = False) -> dict[str, Any]:
    """A toast; with ``oob`` one that htmx or the WebSocket appends to the page's toasts."""
    return {"message": message, "level": level, "oob": oob}


@register.filter
def tone_icon(tone: str) -> str:
    """The icon that says the same as a tone."""
    return TONE_ICONS.get(tone, "info")


@register.inclusion_tag("components/crumb.html")
def crumb(label: str, url: str = "") -> dict[str, Any]:
    """A part of the breadcrumb; ``url`` is a path or the name of a URL, left out for the page itself."""
    return {"label": label, "url": url if url.startswith("/") or not url else reverse(url)}


@register.inclusion_tag("components/nav_item.html", takes_context=True)
def nav_item(context: template.Context, url_name: str, label: str, icon: str, badge: str = "", hide_narrow: bool = False) -> dict[str, Any]:
    """A link of the sidebar; nothing while the part of the product that it leads to does not exist. ``badge`` follows its label. On a
    phone there is room for six: what another page leads to as well is left out.
    """
    try:
        url = reverse(url_name)
    except NoReverseMatch:
        return {"url": ""}
    path = context["request"].path if "request" in context else ""
    current = path == url or (url != "/" and path.startswith(url))
    return {"url": url, "label": label, "icon": icon, "badge": badge, "current": current, "exact": path == url, "hide_narrow": hide_narrow}


@register.inclusion_tag("components/tab.html", takes_context=True)
def tab(context: template.Context, label: str, url: str, count: int | None = None, icon: str = "") -> dict[str, Any]:
    """A tab that is a page of its own; current when its path is the request's."""
    return {"label": label, "url": url, "count": count, "icon": icon, "current": context["request"].path == url.partition("?")[0]}


@register.inclusion_tag("components/search.html", takes_context=True)
def search(context: template.Context, label: str, target: str, name: str = "search", url: str = "") -> dict[str, Any]:
    """A search box that swaps ``target`` (a CSS selector) as one types, and works as a plain GET form without script."""
    request = context["request"]
    return {"label": label, "target": target, "name": name, "url": url or request.path, "value": request.GET.get(name, "")}


@register.inclusion_tag("components/pagination.html", takes_context=True)
def pagination(context: template.Context, page: Page[Any], parameter: str = "page") -> dict[str, Any]:
    """Where one is in a long list, keeping the rest of the query string; nothing when there is one page."""
    query = context["request"].GET.copy()

    def link(number: int) -> str:
        query[parameter] = str(number)
        return f"?{query.urlencode()}"

    return {
        "page": page,
        "previous": link(page.previous_page_number()) if page.has_previous() else "",
        "next": link(page.next_page_number()) if page.has_next() else "",
    }


@register.inclusion_tag("components/log_line.html")
def log_line(line: LogLine) -> dict[str, Any]:
    """One line of a log, with ``ts``, ``stream`` (stdout, stderr, dtma) and ``text``."""
    return {"line": line, "clock": line.ts.astimezone(UTC).time().isoformat("milliseconds")}

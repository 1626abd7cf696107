"""Every template compiles, and the URL names, static files and templates that it names exist."""

import sys
from collections.abc import Iterator
from pathlib import Path

import django
from django.contrib.staticfiles import finders
from django.template import Engine, TemplateDoesNotExist, TemplateSyntaxError
from django.template.base import FilterExpression, Node, Template
from django.template.defaulttags import URLNode
from django.template.loader_tags import ExtendsNode, IncludeNode
from django.template.utils import get_app_template_dirs
from django.templatetags.static import StaticNode
from django.urls import URLResolver, get_resolver

from deploy.bootstrap import ROOT, VENV


def url_names(resolver: URLResolver, namespace: str = "") -> Iterator[str]:
    """Every name that `{% url %}` may use."""
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from url_names(pattern, f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace)
        elif pattern.name:
            yield namespace + pattern.name


def literal(expression: object) -> str | None:
    """The text of an expression that is a plain string, None for one that is known only when the page is rendered."""
    if isinstance(expression, FilterExpression) and isinstance(expression.var, str) and not expression.filters:
        return str(expression.var)
    return None


def names(engine: Engine) -> list[str]:
    """Our own templates, by the name they are loaded with."""
    folders = [Path(str(folder)) for folder in (*engine.dirs, *get_app_template_dirs("templates"))]
    ours = [folder for folder in folders if folder.is_relative_to(ROOT) and not folder.is_relative_to(VENV)]
    return sorted({str(file.relative_to(folder)) for folder in ours for file in folder.rglob("*") if file.is_file()})


def problems(engine: Engine, template: Template, known_urls: set[str]) -> Iterator[str]:
    for node in template.nodelist.get_nodes_by_type(Node):
        if isinstance(node, URLNode):
            name = literal(node.view_name)
            if name and name not in known_urls:
                yield f"{{% url %}} names {name}, which no URL has"
        elif isinstance(node, StaticNode):
            path = literal(node.path)
            if path and not finders.find(path):
                yield f"{{% static %}} names {path}, which is not there"
        elif isinstance(node, ExtendsNode | IncludeNode):
            other = literal(node.parent_name if isinstance(node, ExtendsNode) else node.template)
            try:
                if other:
                    engine.get_template(other)
            except TemplateDoesNotExist:
                yield f"names the template {other}, which is not there"


def main() -> int:
    django.setup()
    engine = Engine.get_default()
    known_urls = set(url_names(get_resolver()))
    found = []
    for name in names(engine):
        try:
            template = engine.get_template(name)
        except TemplateSyntaxError as error:
            found.append(f"{name}: {error}")
            continue
        found += [f"{name}: {problem}" for problem in problems(engine, template, known_urls)]
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

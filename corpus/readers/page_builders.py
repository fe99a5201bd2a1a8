"""Page builders of WordPress keep the text of a page in custom fields of their own; Elementor's can be read."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

# fmt: off
PAGE_BUILDERS = {  # the custom field in which each keeps the text of a page
    "_elementor_data": "Elementor", "_fl_builder_data": "Beaver Builder", "ct_builder_json": "Oxygen",
    "ct_builder_shortcodes": "Oxygen", "_bricks_page_content_2": "Bricks", "panels_data": "SiteOrigin",
    "_cornerstone_data": "Cornerstone", "mfn-page-items": "BeBuilder", "brizy": "Brizy",
    "_breakdance_data": "Breakdance", "breakdance_data": "Breakdance",
    "_thrive_content": "Thrive", "tve_updated_post": "Thrive",
}
# fmt: on
MAX_DEPTH = 50  # elements within elements


def find_page_builder(meta: Mapping[str, str]) -> str:
    """The name of the page builder that holds a post's text; empty if none does."""
    return next((label for key, label in PAGE_BUILDERS.items() if meta.get(key)), "")


def elementor_html(meta: Mapping[str, str]) -> str:
    """The headings and texts of a page that was built with Elementor, as HTML; empty without any."""
    try:
        elements = json.loads(meta.get("_elementor_data") or "[]")
    except (ValueError, RecursionError):
        return ""
    return "\n".join(_widgets(elements))


def _widgets(elements: Any, depth: int = 0) -> Iterator[str]:
    for element in elements if isinstance(elements, list) and depth < MAX_DEPTH else []:
        if not isinstance(element, dict):
            continue
        settings = element.get("settings")
        if isinstance(settings, dict):
            if element.get("widgetType") == "text-editor" and isinstance(settings.get("editor"), str):
                yield settings["editor"] if "<" in settings["editor"] else f"<p>{settings['editor']}</p>"
            elif element.get("widgetType") == "heading" and isinstance(settings.get("title"), str):
                yield f"<h2>{escape(settings['title'], quote=False)}</h2>"
        yield from _widgets(element.get("elements"), depth + 1)

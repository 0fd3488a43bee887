"""A page without a mouse: where Tab leads, and what a screen reader calls what is there."""

import re

FOCUSED = """() => {
  const element = document.activeElement;
  const labels = [...(element.labels ?? [])].map(label => label.textContent);
  const put = getComputedStyle(element, '::before').content.match(/"([^"]*)"$/)?.[1] ?? '';
  const own = element.tagName === 'SELECT' ? '' : put + element.textContent;
  const named = element.getAttribute('aria-label') || labels.join(' ') || own || element.title;
  return {tag: element.tagName, name: (named || '').trim(), inside: !!element.closest('.jp-OutputArea')};
}"""
# Every control of the outputs, with the name that a screen reader says; words that CSS puts into it count.
CONTROLS = """() => [...document.querySelectorAll(
  '.jp-OutputArea :is(button, input, select, textarea, summary, a[href], [role=button], [role=tab], [tabindex="0"])'
)].filter(e => e.checkVisibility() && !e.closest('.jp-OutputPrompt')).map(e => {
  const labels = [...(e.labels ?? [])].map(label => label.textContent).join(' ');
  const by = (e.getAttribute('aria-labelledby') ?? '').split(' ').map(id => document.getElementById(id)?.textContent);
  const put = getComputedStyle(e, '::before').content.match(/"([^"]*)"$/)?.[1] ?? '';
  const own = e.tagName === 'SELECT' ? '' : put + e.textContent;
  const name = (e.getAttribute('aria-label') || by.join('') || labels || own || e.title || '').trim();
  return name || `no name: ${e.outerHTML.slice(0, 300)}`;
})"""


def names(page) -> list[str]:
    """Of all controls in the outputs that are seen; what begins with "no name" has none."""
    return page.evaluate(CONTROLS)


def pictures(page) -> list[str]:
    """Names of all pictures of the page, as the browser itself tells them to screen readers."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    return [node["name"]["value"] for node in nodes if node.get("role", {}).get("value") == "image" and "name" in node]


def tab_to(page, name: str, most: int = 120) -> None:
    """Press Tab until a control of an output whose name is this pattern has the focus."""
    seen = []
    for _ in range(most):
        page.keyboard.press("Tab")
        now = page.evaluate(FOCUSED)
        seen.append(now["name"][:40])
        if now["inside"] and re.fullmatch(name, now["name"]):
            return
    raise AssertionError(f"Tab does not reach {name}: {seen}")

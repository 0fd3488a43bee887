"""An executed notebook as a page that reads as a report: one file, which asks nothing of other hosts."""

import os
from pathlib import Path

from jinja2 import DictLoader
from nbconvert import HTMLExporter

# The page of nbconvert without what it loads from elsewhere: require.js, MathJax, Mermaid, widgets' programs.
_TEMPLATE = """\
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
"""


def write(executed: Path) -> Path:
    """Write an executed notebook as HTML beside it.

    Parameters
    ----------
    executed : Path
        The executed copy.

    Returns
    -------
    Path
        Of the same name, with ``.html``; code stays in it, prompts do not.

    Examples
    --------
    >>> from lofarlake_nb import inspecting, run
    >>> write(run.run(inspecting.find_notebook("3_explore"), {"lake": home}, Path("explored.ipynb"))).name
    'explored.html'
    """
    exporter = HTMLExporter(
        extra_loaders=[DictLoader({"page.html.j2": _TEMPLATE})],
        template_file="page.html.j2",
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    text, _ = exporter.from_filename(str(executed))
    path = executed.with_suffix(".html")
    partial = path.with_name(path.name + ".part")
    partial.write_text(text)
    os.replace(partial, path)
    return path

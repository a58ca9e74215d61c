"""The Markdown of this repository as reStructuredText: what its files use, no more.

Headings, paragraphs, lists, tables, code blocks, emphasis and links. A link inside the
repository becomes the path of the file, since not every file has a page.
"""

import re

LINES = "=-~^"


def to_rst(text, title=None):
    """reStructuredText of a Markdown text.

    Parameters
    ----------
    text : str
    title : str or None, default=None
        The title in place of that of the text, or above the text where it has none.

    Returns
    -------
    str
    """
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL)
    if title is not None:
        text = re.sub(r"\A\s*# .*\n", "", text)
    deeper = title is not None
    out = heading(title, 0) if deeper else []
    highest = min((len(m) for m in re.findall(r"^(#+) ", text, re.M)), default=1)
    lines, i = text.splitlines(), 0
    while i < len(lines):
        line = lines[i]
        if fence := re.match(r"```(\w*)", line):
            end = next(j for j in range(i + 1, len(lines)) if lines[j][:3] == "```")
            kind = {"sh": "bash", "py": "python"}.get(fence[1], fence[1] or "text")
            out += [f".. code-block:: {kind}", ""]
            out += [f"   {code}" for code in lines[i + 1 : end]] + [""]
            i = end + 1
        elif found := re.match(r"(#+) (.*)", line):
            out += ["", *heading(inline(found[2]), len(found[1]) - highest + deeper)]
            i += 1
        elif line.startswith("|"):
            end = i
            while end < len(lines) and lines[end].startswith("|"):
                end += 1
            out += ["", *table(lines[i:end])]
            i = end
        elif line.startswith("    ") and not (i and lines[i - 1].strip()):
            out += ["", ".. code-block:: text", ""]
            while i < len(lines) and (lines[i].startswith("    ") or not lines[i]):
                out.append(f"   {lines[i].strip()}" if lines[i] else "")
                i += 1
            out.append("")
        elif not line.strip():
            out.append("")
            i += 1
        else:
            end = i + 1  # a paragraph, whose links and emphasis may span lines
            special = r"```|#+ |\||\s*$|- |\d+\. "
            while end < len(lines) and not re.match(special, lines[end]):
                end += 1
            if re.match(r"- |\d+\. ", line) and out and not is_item(out[-1], out):
                out.append("")
            out += inline("\n".join(lines[i:end])).splitlines() or [""]
            i = end
    return "\n".join(out).strip() + "\n"


def is_item(last, out):
    """Whether what was written last is of a list, or an empty line."""
    return not last.strip() or last.startswith("  ") or re.match(r"- |\d+\. ", last)


def heading(text, level):
    """A title with its line."""
    return [text, LINES[min(level, len(LINES) - 1)] * len(text), ""]


def inline(text):
    """Code, links and emphasis."""
    text = re.sub(r"\*\*([^*]+)\*\*", bold, text)
    parts = re.split(r"(`+[^`]+`+)", text)
    for i, part in enumerate(parts):
        if i % 2:
            code = part.strip("`")
            parts[i] = f"``{code}``" if code.strip() == code else f"``{code.strip()}``"
        else:
            part = re.sub(r"(\w)_(?!\w)", r"\1\\_", part)  # no reference
            parts[i] = re.sub(r"\[([^\]]*)\]\(([^)]+)\)", link, part)
    return join(parts)


def bold(found):
    """Bold words around code: reStructuredText has no markup inside of markup."""
    parts = [part.strip() for part in re.split(r"(`+[^`]+`+)", found[1])]
    return " ".join(p if p[:1] == "`" else f"**{p}**" for p in parts if p)


def join(parts):
    """The parts; reStructuredText wants inline markup to stand apart from letters."""
    text = parts[0]
    for part in parts[1:]:
        touching = text and part and (text[-1].isalnum() or part[0].isalnum())
        text += ("\\ " if touching and not part[0].isspace() else "") + part
    return text


def link(found):
    """A link to the web, or the path of a file."""
    text, where = found[1], found[2]
    if where.startswith("http"):
        return f"`{text} <{where}>`__"
    return text


def table(lines):
    """A list table with the first line as its head."""
    rows = [re.split(r"(?<!\\)\|", line.strip())[1:-1] for line in lines]
    # A head without rows is a row: docutils refuses it otherwise.
    out = [".. list-table::", *["   :header-rows: 1"] * (len(rows) > 2), ""]
    for row in [rows[0], *rows[2:]]:
        for k, cell in enumerate(row):
            mark = "   * - " if not k else "     - "
            text = inline(cell.strip())
            # A lone dash would be a list of one empty point.
            text = f"\\{text}" if text in ("-", "+", "*") else text
            out.append(f"{mark}{text}".rstrip())
    return [*out, ""]

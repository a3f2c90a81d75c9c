"""Texts of a model that would like to be more than text in a page."""

from __future__ import annotations

PWN = "window.pwned = true; document.title = 'pwned'"
TEXTS = [
    f"<script>{PWN}</script>",
    f"</script><script>{PWN}</script>",
    f"<!--<script>{PWN}</script>-->",
    f'<img src=x onerror="{PWN}"> <svg onload="{PWN}">',
    f'<iframe srcdoc="<script>parent.{PWN}</script>"></iframe>',
    f'[click](javascript:{PWN}) <a href="javascript:{PWN}">here</a>',
    "<style>body { display: none }</style><base href=//127.0.0.1:9/><meta http-equiv=refresh>",
    "<link rel=stylesheet href=http://127.0.0.1:9/a.css><object data=http://127.0.0.1:9/o>",
    "<!-- data --><!-- script --><!-- style -->]]>&lt;b&gt;\u2028\u2029",
    f"$\\href{{javascript:{PWN}}}{{x}}$ $\\url{{http://127.0.0.1:9/}}$",
    "$\\includegraphics[height=3em]{http://127.0.0.1:9/i.png}$",
    "$\\htmlData{x=y}{1} \\htmlId{search}{2}$ \\(\\htmlStyle{position:fixed}{3}\\)",
    f"$\\text{{</script><script>{PWN}</script>}}$ \\boxed{{<img src=x onerror={PWN}>}}",
    "$\\def\\a{\\a\\a}\\a$ $\\gdef\\b#1{#1#1}\\b{\\b{x}}$ $\\newcommand\\c{\\c}\\c$",
    "$\\rule{9999em}{9999em}$ $\\hspace{-9999em}$ \\(\\raisebox{99999em}{x}\\)",
    "$" + "{" * 900 + "$ $" + "\\sqrt" * 300 + " x$ $" + "x^{" * 300 + "}" * 300 + "$",
    "$$\\begin{matrix}" + "1&" * 800 + "1\\end{matrix}$$",
    "\\frac{1}{ unfinished $x_{$ \\begin{align} x",
    "$x$ " * 3000,
    "$" * 20_000 + "\\(" * 20_000,
    "a" * 200_000,
    "{" * 50_000,
    "lone \ud800 surrogates \udfff, NUL \0, escape \x1b[2J, \u202eright to left, __proto__",
]

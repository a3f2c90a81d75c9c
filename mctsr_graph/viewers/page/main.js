/* What the reader looks at, and what changes it. */

const FEW_NODES = 60; // more are drawn with what lies off the best path collapsed
const REPLAY_SECONDS = 20;

const search = new Search(JSON.parse(document.getElementById("search").textContent));
const looking = {
  rollout: search.last, selected: null, collapsed: new Set(), marked: new Set(), tab: "node",
};
const tree = new TreeView(search, { onSelect: (node) => select(node), onToggle: toggle });
const panels = new Panels(search, { onSelect: select, onSeek: goTo });
const slider = document.getElementById("slider");
let player = null;

function select(node, marked = []) {
  looking.selected = node;
  looking.marked = new Set(marked);
  for (let up = node?.up; up; up = up.up) looking.collapsed.delete(up);
  redraw();
  if (node) tree.reveal(node);
  if (marked.length === 0) openTab("node");
}

function toggle(node) {
  if (node.children.length === 0) return;
  if (!looking.collapsed.delete(node)) looking.collapsed.add(node);
  const hidden = pathOf(looking.selected).slice(1).some((up) => looking.collapsed.has(up));
  if (hidden) looking.selected = node;
  redraw();
  tree.reveal(node);
}

/** Collapse what lies off some nodes' paths, if there is much of it. */
function tidy(...nodes) {
  looking.collapsed.clear();
  if (search.nodes.length <= FEW_NODES) return;
  const kept = new Set(nodes.flatMap((node) => pathOf(node).slice(1)));
  for (const node of search.nodes) {
    if (node.children.length > 0 && !kept.has(node)) looking.collapsed.add(node);
  }
}

function seek(rollout) {
  looking.rollout = Math.max(0, Math.min(search.last, rollout));
  search.seek(looking.rollout);
  const { node } = search.history[looking.rollout];
  const atEnd = looking.rollout === search.last;
  looking.marked.clear();
  if (search.nodes.length > FEW_NODES) tidy(search.bestNow(), node);
  if (!looking.selected?.shown || !atEnd) looking.selected = node ?? search.bestNow();
  redraw();
  if (looking.selected) tree.reveal(looking.selected);
}

/** Seek on somebody's wish, which ends a replay under way. */
function goTo(rollout) {
  play(false);
  seek(rollout);
}

function redraw() {
  const { rollout, collapsed, selected, marked } = looking;
  const replaying = rollout < search.last;
  tree.draw({ collapsed, selected, marked, fresh: replaying ? search.history[rollout].node : null });
  panels.node(selected);
  if (looking.tab !== "node") panels[looking.tab]();
  slider.value = rollout;
  document.getElementById("expand").textContent = collapsed.size > 0 ? "Expand" : "Collapse";
  const best = search.bestNow();
  const found = best ? `best ${shorten(best.final_answer ?? "without a final answer", 40)}`
    + `, q ${points(best.qNow)}` : "no answer yet";
  slider.setAttribute("aria-valuetext", `rollout ${rollout} of ${search.last}: ${found}`);
  document.getElementById("moment").replaceChildren(
    element("b", {}, rollout === 0 ? "roots" : `rollout ${search.steps[rollout].index}`), ` of ${search.rollouts}`);
  const unknown = rollout < search.last && !search.steps[rollout].known; // stored before there was a record
  document.getElementById("moment").append(unknown ? element("small", {}, "what led is not known") : "");
  document.getElementById("cursor").style.left = `${(100 * rollout) / Math.max(1, search.last)}%`;
}

function play(wanted) {
  clearInterval(player);
  player = null;
  const start = document.getElementById("play");
  start.textContent = wanted ? "❚❚" : "▶";
  start.setAttribute("aria-label", wanted ? "Pause the replay" : "Replay the search");
  if (!wanted) return;
  if (looking.rollout === search.last) seek(0);
  const step = Math.max(1, Math.round(search.last / 100));
  const pause = Math.max(150, Math.min(600, (1000 * REPLAY_SECONDS * step) / search.last));
  player = setInterval(() => {
    seek(looking.rollout + step);
    if (looking.rollout === search.last) play(false);
  }, pause);
}

function openTab(name) {
  looking.tab = name;
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const open = tab.getAttribute("aria-controls") === name;
    tab.setAttribute("aria-selected", open);
    tab.tabIndex = open ? 0 : -1;
    document.getElementById(tab.getAttribute("aria-controls")).hidden = !open;
  }
  if (name !== "node") panels[name]();
}

function onTreeKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const node = looking.selected ?? search.bestNow();
  const closed = node && looking.collapsed.has(node);
  const child = node?.children.find((one) => one.shown);
  const go = (to) => to && select(to);
  const keys = {
    ArrowLeft: () => go(node?.up),
    ArrowRight: () => (closed ? toggle(node) : go(child)),
    ArrowUp: () => go(tree.beside(node, -1)),
    ArrowDown: () => go(tree.beside(node, 1)),
    Enter: () => node && toggle(node),
    " ": () => node && toggle(node),
    Home: () => go(search.roots[0]),
    End: () => go(search.bestNow()),
    "+": () => tree.zoom(ZOOM.step),
    "=": () => tree.zoom(ZOOM.step),
    "-": () => tree.zoom(1 / ZOOM.step),
    0: () => tree.fit(),
  };
  if (keys[event.key] === undefined) return;
  event.preventDefault();
  keys[event.key]();
}

function onTabKey(event) {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step === undefined) return;
  const next = tabs[(tabs.indexOf(event.target) + step + tabs.length) % tabs.length];
  next.focus();
  openTab(next.getAttribute("aria-controls"));
}

/** The head of the page: the problem, what was found, and how. */
function showHead() {
  const best = search.bestNow();
  const tokens = Object.values(search.usage)
    .reduce((sum, cost) => sum + cost.input_tokens + cost.output_tokens, 0);
  const calls = Object.values(search.usage).reduce((sum, cost) => sum + cost.calls, 0);
  document.title = `${shorten(search.problem, 60)} – MCTSr`;
  showText(document.getElementById("problem"), search.problem);
  document.getElementById("found").append(best ? said(best) : "no answer");
  const facts = [["q", best && points(best.qNow)], ["nodes", count(search.nodes.length)],
    ["rollouts", count(search.rollouts)], ["calls", count(calls)], ["tokens", count(tokens)],
    ["stopped by", (search.stop_reason ?? "not yet").replaceAll("_", " ")],
    ...Object.entries(search.more).map(([name, value]) => [name, shorten(String(value), 80)])];
  document.getElementById("facts").append(...facts.filter(([, value]) => value !== null).map(
    ([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

/** A line of the best q so far, over a dot for each new node. */
function drawChart() {
  const { history, last } = search;
  const [least, most] = span(history.flatMap(({ node, q, bestQ }) =>
    [node && !node.dummy ? q : bestQ, bestQ]));
  const x = (rollout) => (1000 * rollout) / Math.max(1, last);
  const y = (q) => 96 - (92 * (q - least)) / Math.max(1e-9, most - least);
  const dots = history.flatMap(({ node, q }, rollout) =>
    node && !node.dummy && q !== null ? [`M${x(rollout)} ${y(q)}h0`] : []);
  const line = history.flatMap(({ bestQ }, rollout) =>
    bestQ === null ? [] : [`${x(rollout)} ${y(bestQ)}`]);
  document.querySelector(".chart").classList.toggle("dense", last > 150);
  document.getElementById("dots").setAttribute("d", dots.join(""));
  document.getElementById("line").setAttribute("d", line.length ? `M${line.join("L")}` : "");
}

function listen() {
  const on = (id, type, act) => document.getElementById(id).addEventListener(type, act);
  on("plane", "keydown", onTreeKey);
  on("slider", "input", () => goTo(Number(slider.value)));
  on("play", "click", () => play(player === null));
  on("zoom-in", "click", () => tree.zoom(ZOOM.step));
  on("zoom-out", "click", () => tree.zoom(1 / ZOOM.step));
  on("fit", "click", () => tree.fit());
  on("go-best", "click", () => select(search.bestNow()));
  on("expand", "click", () => {
    const all = looking.collapsed.size > 0;
    looking.collapsed = new Set(all ? [] : search.nodes.filter((node) => node.children.length > 0));
    redraw();
    tree.fit();
  });
  for (const tab of document.querySelectorAll("[role=tab]")) {
    tab.addEventListener("click", () => openTab(tab.getAttribute("aria-controls")));
    tab.addEventListener("keydown", onTabKey);
  }
}

function begin() {
  const [least, most] = search.range.map(points);
  document.getElementById("least").textContent = least;
  document.getElementById("most").textContent = most;
  slider.max = search.last;
  search.seek(search.last);
  showHead();
  drawChart();
  listen();
  looking.selected = search.bestNow();
  tidy(looking.selected);
  redraw();
  openTab("node");
  tree.begin(looking.selected);
  document.documentElement.dataset.ready = "";
}

begin();

/* What the reader looks at, and what changes it. */

const FEW_NODES = 60; // more are shown as an overview first, and with what lies off the best path collapsed
const MOST_SHOWN = 60; // nodes that were looked for whose branches are opened
const REPLAY_SECONDS = 20;

const data = JSON.parse(byId("search").textContent);
let search, tree, panels, looking;
let player = null;
let hearing = new AbortController();

function select(node, marked = []) {
  looking.selected = node;
  looking.marked = new Set(marked);
  for (let up = node?.up; up; up = up.up) looking.collapsed.delete(up);
  redraw();
  if (node) tree.reveal(node);
  if (marked.length === 0) openTab("node");
  if (node) remember(node);
}

/** The address names the node that is looked at, so that it can be sent. */
function remember(node) {
  try {
    history.replaceState(null, "", `#node-${encodeURIComponent(node.id)}`);
  } catch {
    // a frame has no address
  }
}

/** The node that the address names, if there is one. */
function addressed() {
  const id = /^#node-(.+)$/.exec(location.hash)?.[1];
  return search.nodes.find((node) => encodeURIComponent(node.id) === id || node.id === id) ?? null;
}

function toggle(node) {
  if (node.children.length === 0) return;
  if (!looking.collapsed.delete(node)) looking.collapsed.add(node);
  const hidden = pathOf(looking.selected).slice(1).some((up) => looking.collapsed.has(up));
  if (hidden) looking.selected = node;
  redraw();
  tree.reveal(node);
}

function unfold(fold) {
  looking.unfolded.add(fold.fold);
  redraw();
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

function seek(at) {
  looking.at = Math.max(0, Math.min(search.last, at));
  search.seek(looking.at);
  markOut(search);
  const { node } = search.history[looking.at];
  const atEnd = looking.at === search.last;
  looking.marked.clear();
  if (search.nodes.length > FEW_NODES) tidy(search.bestNow(), node);
  if (!looking.selected?.shown || !atEnd) looking.selected = node ?? search.bestNow();
  redraw();
  if (looking.selected) tree.reveal(looking.selected);
}

/** Seek on somebody's wish, which ends a replay under way. */
function goTo(at) {
  play(false);
  seek(at);
}

function redraw() {
  const { at, selected, whole } = looking;
  const isReplay = at < search.last;
  const kept = new Set([search.bestNow(), selected].flatMap((node) => pathOf(node)));
  if (looking.matches && looking.matches.size <= MOST_SHOWN) {
    for (const node of looking.matches) {
      kept.add(node);
      for (let up = node.up; up; up = up.up) looking.collapsed.delete(up);
    }
  }
  tree.draw({ ...looking, kept, fresh: isReplay ? search.history[at].node : null });
  panels.node(selected);
  if (looking.tab !== "node") panels[looking.tab]();
  byId("slider").value = at;
  byId("expand").textContent = looking.collapsed.size > 0 ? "Expand" : "Collapse";
  for (const [id, on] of [["as-tree", !whole], ["as-whole", whole]]) byId(id).setAttribute("aria-pressed", on);
  for (const id of ["expand", "fit", "zoom-in", "zoom-out"]) byId(id).disabled = whole;
  const best = search.bestNow();
  const { index, known } = search.steps[at];
  const found = best ? `answer ${inWords(best)}` : "no answer yet";
  byId("slider").setAttribute("aria-valuetext", `rollout ${index} of ${search.rollouts}: ${found}`);
  byId("moment").replaceChildren(element("b", {}, index === 0 ? "roots" : `rollout ${count(index)}`), ` of ${count(search.rollouts)}`,
    ...(!known && isReplay ? [element("small", {}, "what led is not known")] : []));
  byId("cursor").style.left = `${(100 * at) / Math.max(1, search.last)}%`;
}

function play(wanted) {
  clearInterval(player);
  player = null;
  const start = byId("play");
  start.textContent = wanted ? "❚❚" : "▶";
  start.setAttribute("aria-label", wanted ? "Pause the replay" : "Replay the search");
  if (!wanted) return;
  if (looking.at === search.last) seek(0);
  const step = Math.max(1, Math.round(search.last / 100));
  const pause = Math.max(150, Math.min(600, (1000 * REPLAY_SECONDS * step) / search.last));
  player = setInterval(() => {
    seek(looking.at + step);
    if (looking.at === search.last) play(false);
  }, pause);
}

function openTab(name) {
  looking.tab = name;
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const open = tab.getAttribute("aria-controls") === name;
    tab.setAttribute("aria-selected", open);
    tab.tabIndex = open ? 0 : -1;
    byId(tab.getAttribute("aria-controls")).hidden = !open;
  }
  if (name !== "node") panels[name]();
  byId(name).scrollTop = 0;
}

/** Show what is looked for; with `next` go to the next of it. */
function find(next = false) {
  const matches = filterOf(search, byId("find").value, byId("kind").value);
  looking.matches = matches;
  const shown = matches && [...matches].filter((node) => node.shown);
  byId("matches").textContent = shown ? `${count(shown.length)} of ${count(search.nodes.length)}` : "";
  if (next && shown?.length > 0) {
    const at = shown.indexOf(looking.selected);
    select(shown[(at + 1) % shown.length]);
  } else redraw();
}

function onClass(rank) {
  byId("kind").value = `=${classMark(rank)}`;
  find();
}

function onTreeKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const node = looking.selected ?? search.bestNow();
  const closed = node && looking.collapsed.has(node);
  const child = node?.children.find((one) => one.shown);
  const go = (to) => {
    if (to?.fold) looking.unfolded.add(to.fold);
    if (to) select(to.fold ? to.nodes.find((one) => one.shown) : to);
  };
  const aside = (way) => (looking.whole ? inOrder(node, way) : tree.beside(node, way));
  const keys = {
    ArrowLeft: () => go(node?.up),
    ArrowRight: () => (closed && !looking.whole ? toggle(node) : go(child)),
    ArrowUp: () => go(aside(-1)),
    ArrowDown: () => go(aside(1)),
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

function inOrder(node, way) {
  return search.nodes.find((other) => other.shown && other.order === (node?.order ?? -1) + way);
}

function onTabKey(event) {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step === undefined) return;
  const next = tabs[(tabs.indexOf(event.target) + step + tabs.length) % tabs.length];
  next.focus();
  openTab(next.getAttribute("aria-controls"));
}

/** Escape undoes what stands in the way: the drawer (by itself), what is looked for, the frame. */
function onEscape(event) {
  if (event.key !== "Escape" || byId("about").open) return;
  if (looking.matches || byId("find").value) {
    byId("find").value = "";
    byId("kind").value = "all";
    find();
  } else if (parent !== window) parent.postMessage("mctsr.escape", "*"); // whoever shows this page may close it
}

/** All of the search on paper, not only the tab that is open. */
function onPrint() {
  panels.long = true;
  for (const name of ["how", "answers", "rollouts", "cost"]) panels[name]();
  document.documentElement.classList.add("printing");
  if (!looking.whole) tree.fit();
  redraw();
}

function offPrint() {
  panels.long = false;
  document.documentElement.classList.remove("printing");
  redraw();
}

function listen() {
  const { signal } = hearing;
  const hear = (target, type, act) => target.addEventListener(type, act, { signal });
  const on = (id, type, act) => hear(byId(id), type, act);
  on("plane", "keydown", onTreeKey);
  on("slider", "input", () => goTo(Number(byId("slider").value)));
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
  for (const [id, whole] of [["as-tree", false], ["as-whole", true]]) {
    on(id, "click", () => {
      looking.whole = whole;
      redraw();
      if (!whole) tree.begin(looking.selected);
    });
  }
  on("find", "input", () => find());
  on("find", "keydown", (event) => event.key === "Enter" && find(true));
  on("kind", "change", () => find());
  on("open-about", "click", () => byId("about").showModal());
  on("close-about", "click", () => byId("about").close());
  hear(document, "keydown", onEscape);
  hear(window, "hashchange", () => addressed() && select(addressed()));
  hear(window, "beforeprint", onPrint);
  hear(window, "afterprint", offPrint);
  hear(window, "resize", () => looking.whole && redraw());
  for (const tab of document.querySelectorAll("[role=tab]")) {
    hear(tab, "click", () => openTab(tab.getAttribute("aria-controls")));
    hear(tab, "keydown", onTabKey);
  }
}

/** The kinds of nodes that can be looked for. */
function offerKinds() {
  const kinds = [["all", "All nodes"], ["unjudged", "Not judged"], ["person", "By a person"], ["repeat", "Repeats"], ["cut", "Cut off"]];
  const ranks = [...new Set(search.nodes.map((node) => node.rank))].sort((a, b) => (a ?? 1e9) - (b ?? 1e9));
  for (const rank of ranks.filter((one) => one === null || one < 6)) {
    const node = search.nodes.find((one) => one.rank === rank);
    kinds.push([`=${classMark(rank)}`, rank === null ? "No final answer" : `${letterOf(rank)}: ${shorten(inWords(node), 24)}`]);
  }
  if (ranks.some((rank) => rank > 5)) kinds.push(["=rest", "Other answers"]);
  byId("kind").replaceChildren(...kinds.map(([value, words]) => element("option", { value }, words)));
}

/** Show a search from its end. */
function begin(shown) {
  hearing.abort();
  hearing = new AbortController();
  play(false);
  const created = [...shown.nodes];
  search = new Search({ ...shown, steps: unpacked(shown.steps), calls: unpackedCalls(shown) });
  search.seek(search.last);
  markOut(search);
  rankClasses(search, created);
  looking = {
    at: search.last, selected: search.bestNow(), collapsed: new Set(), unfolded: new Set(), marked: new Set(), matches: null,
    tab: "how", whole: search.nodes.length > FEW_NODES,
  };
  tree = new TreeView(search, { onSelect: (node) => select(node), onToggle: toggle, onUnfold: unfold, signal: hearing.signal });
  panels = new Panels(search, { onSelect: select, onSeek: goTo, onClass });
  [byId("least").textContent, byId("most").textContent] = search.scale.map(signed);
  byId("slider").max = search.last;
  document.querySelector(".replay").hidden = search.last === 0;
  showHead(search);
  drawChart(search);
  offerKinds();
  listen();
  tidy(looking.selected);
  redraw();
  openTab("how");
  tree.begin(looking.selected);
  if (addressed()) select(addressed());
  document.documentElement.dataset.ready = "";
}

if (data.searches) new Pair(data, begin).pick(0);
else begin(data);

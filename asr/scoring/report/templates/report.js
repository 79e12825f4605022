"use strict";
(() => {
  const PAGE = 50, MOST_ERRORS = 40;
  const data = JSON.parse(document.getElementById("data").textContent);
  const audio = JSON.parse(document.getElementById("audio").textContent);
  const byId = (id) => document.getElementById(id);
  const list = byId("utterances"), search = byId("search"), order = byId("order"), only = byId("only");
  const state = { page: 0, pair: null, counts: null, found: [] };

  const made = (name, className, text) => {
    const element = document.createElement(name);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    if (name !== "audio") element.dir = "auto";
    return element;
  };
  const total = (utterance) => utterance.errors.reduce((sum, count) => sum + count, 0);
  const difference = (utterance) => utterance.errors[0] - (utterance.errors[1] ?? utterance.errors[0]);
  const written = (alignment) => alignment.map((cell) => typeof cell === "string" ? cell : cell[1] + " " + cell[2]).join(" ");
  const haystack = (utterance) => {
    utterance.text ??= [utterance.id, ...utterance.fields, ...utterance.alignments.map(written)].join(" ").toLowerCase();
    return utterance.text;
  };
  const hasPair = (utterance, [kind, ref, hyp, system]) => utterance.alignments[system].some(
    (cell) => typeof cell !== "string" && cell[0] === kind && cell[1] === ref && cell[2] === hyp);

  const orders = {
    file: () => 0,
    errors: (a, b) => total(b) - total(a),
    rate: (a, b) => total(b) / Math.max(1, b.words) - total(a) / Math.max(1, a.words),
    a: (a, b) => difference(a) - difference(b),
    b: (a, b) => difference(b) - difference(a),
  };

  const find = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    state.found = data.utterances.filter((utterance) =>
      (only.value === "all" || (only.value === "wrong" ? total(utterance) > 0 : new Set(utterance.errors).size > 1)) &&
      (!state.pair || hasPair(utterance, state.pair)) &&
      (!state.counts || state.counts.every((count, system) => Math.min(utterance.errors[system], MOST_ERRORS) === count)) &&
      words.every((word) => haystack(utterance).includes(word)));
    state.found.sort(orders[order.value]);
    state.page = 0;
    show();
  };

  // With word times and a player, a click on a word plays from it; `clock` counts the words of the hypothesis.
  const playable = (element, clock) => {
    const start = clock.starts[clock.at++];
    if (start === undefined) return element;
    element.classList.add("playable");
    element.tabIndex = 0;
    const play = () => { clock.player.currentTime = start; clock.player.play(); };
    element.addEventListener("click", play);
    element.addEventListener("keydown", (event) => { if (event.key === "Enter") play(); });
    return element;
  };

  const drawCell = (cell, clock) => {
    if (typeof cell === "string" && !clock.starts.length) return document.createTextNode(data.joint + cell + data.joint);
    if (typeof cell === "string") {
      const run = document.createDocumentFragment();
      cell.split(" ").forEach((word) => run.append(" ", playable(made("span", "", word), clock), " "));
      return run;
    }
    const [kind, ref, hyp] = cell;
    const box = made("span", "cell " + kind);
    box.title = { sub: "substitution", del: "deletion", ins: "insertion", opt: "optional word, left out" }[kind];
    const name = (word) => word === " " ? "␣" : word;
    box.append(made("span", "ref", name(ref) || "∅"), made("small", "hyp", name(hyp) || "∅"));
    return kind === "sub" || kind === "ins" ? playable(box, clock) : box;
  };

  const drawUtterance = (utterance) => {
    const box = made("article"), header = made("header");
    header.append(made("b", "", utterance.id));
    data.fields.forEach((field, at) => utterance.fields[at] && header.append(made("span", "", field + ": " + utterance.fields[at])));
    header.append(made("span", "", utterance.errors.join(" / ") + " errors in " + utterance.words));
    box.append(header);
    let player = null;
    if (audio[utterance.id]) {
      player = made("audio");
      player.controls = true;
      player.preload = "none";
      player.src = audio[utterance.id];
      box.append(player);
    }
    utterance.alignments.forEach((alignment, system) => {
      const line = made("div", "alignment");
      if (data.systems.length > 1) line.append(made("span", "name", data.systems[system]));
      const clock = { player, at: 0, starts: (player && data.times[utterance.id]?.[system]) || [] };
      line.append(...alignment.map((cell) => drawCell(cell, clock)));
      if (!alignment.length) line.append(made("span", "name", "(empty)"));
      box.append(line);
    });
    return box;
  };

  const show = () => {
    const pages = Math.max(1, Math.ceil(state.found.length / PAGE));
    state.page = Math.min(Math.max(0, state.page), pages - 1);
    list.replaceChildren(...state.found.slice(state.page * PAGE, (state.page + 1) * PAGE).map(drawUtterance));
    byId("count").textContent = state.found.length + " utterances, page " + (state.page + 1) + " of " + pages;
    byId("previous").disabled = state.page === 0;
    byId("next").disabled = state.page === pages - 1;
    byId("pair").hidden = !state.pair && !state.counts;
    if (state.counts) byId("pair").textContent = "✕ " + state.counts.join(" and ") + " errors";
    if (state.pair) byId("pair").textContent = "✕ " + (state.pair[1] || "∅") + " → " + (state.pair[2] || "∅");
  };

  let waiting;
  search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(find, 120); });
  order.addEventListener("change", find);
  only.addEventListener("change", find);
  byId("previous").addEventListener("click", () => { state.page--; show(); });
  byId("next").addEventListener("click", () => { state.page++; show(); });
  byId("pair").addEventListener("click", () => { state.pair = state.counts = null; find(); });
  document.querySelectorAll(".disc").forEach((disc) => disc.addEventListener("click", () => {
    state.counts = [Number(disc.dataset.a), Number(disc.dataset.b)];
    state.pair = null;
    search.value = "";
    only.value = "all";
    find();
    byId("alignments").scrollIntoView();
  }));
  document.querySelectorAll("button.word").forEach((button) => button.addEventListener("click", () => {
    if (button.dataset.id !== undefined) {
      search.value = button.dataset.id;
      state.pair = state.counts = null;
    } else {
      const { kind, ref, hyp, system } = button.dataset;
      state.pair = [kind, ref, hyp, Number(system)];
      state.counts = null;
      search.value = "";
    }
    only.value = "all";
    find();
    byId("alignments").scrollIntoView();
  }));
  find();
  document.documentElement.dataset.ready = Math.round(performance.now());
})();

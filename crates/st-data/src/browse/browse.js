// The page of `stdata browse`. What is shown stands in the address after #, so that reload and back do what they should.
"use strict";

(() => {
  const { el } = Clip;
  const by = (id) => document.getElementById(id);
  const TITLES = { task: "Task", kind: "Media", mark: "Mark", rule: "Finding", source: "Source", clip: "In shards", file: "File" };
  const count = (number) => number.toLocaleString("en-US");
  let shown = { query: null, items: [], next: null, asked: 0 };
  let player = null;
  let opened = null;

  const state = () => new URLSearchParams(location.hash.slice(1));
  const go = (change, replace) => {
    const next = state();
    for (const [name, value] of Object.entries(change)) {
      if (value === null || value === "") next.delete(name);
      else next.set(name, value);
    }
    const hash = `#${next}`;
    if (replace) { history.replaceState(null, "", hash); render(); } else location.hash = hash;
  };
  const filters = () => { const query = state(); query.delete("record"); return query; };

  function complain(text) {
    by("problem").hidden = !text;
    by("problem").textContent = text || "";
  }

  async function ask(address, options) {
    const answer = await fetch(address, options);
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  }

  // The list and the choices beside it.
  async function list(from) {
    const query = filters();
    if (from) query.set("from", from);
    const turn = ++shown.asked;
    const page = await ask(`api/records?${query}`);
    if (turn !== shown.asked) return;
    if (!from) {
      shown = { query: String(filters()), items: [], next: null, asked: turn };
      by("list").replaceChildren();
      choices(page.facets);
    }
    shown.items.push(...page.items.map((item) => item.number));
    shown.next = page.next;
    by("list").append(...page.items.map(card));
    const searching = Boolean(state().get("text"));
    if (page.facets) shown.records = page.facets.records;
    const all = `${count(shown.records)} of ${count(page.total)} records`;
    by("count").textContent = searching ? `${count(shown.items.length)}${page.next === null ? "" : "+"} found in ${all}` : all;
    by("more").hidden = page.next === null;
    if (!shown.items.length && page.next === null) by("list").append(el("p", { class: "empty", style: { gridColumn: "1 / -1" } }, "No record is like this. Take a filter back."));
    // A search that found too little for a page goes on by itself.
    if (page.next !== null && page.items.length < 12) await list(page.next);
  }

  function choices(facets) {
    const query = state();
    const sections = Object.entries(TITLES).map(([name, title]) => {
      const chosen = query.get(name);
      const found = facets[name];
      if (!found.length || (found.length === 1 && !chosen && name !== "rule" && name !== "mark")) return null;
      const words = (value) => (value === "-" ? (name === "mark" ? "not marked" : "none named") : value);
      const buttons = found.map((facet) => el("button", {
        type: "button", title: facet.title || words(facet.value), "aria-pressed": String(chosen === facet.value),
        "data-filter": `${name}=${facet.value}`,
        onclick: () => go({ [name]: chosen === facet.value ? null : facet.value, record: null }),
      }, el("span", {}, words(facet.value)), el("span", { class: "num" }, count(facet.records))));
      return el("section", {}, el("h3", {}, title), ...buttons);
    });
    by("facets").replaceChildren(...sections.filter(Boolean));
  }

  const badge = (mark) => (mark ? el("span", { class: `tag ${mark}` }, mark) : null);

  function card(item) {
    const picture = item.frame === null
      ? el("p", {}, item.kind === "no record" ? "no record" : "not in shards")
      : el("img", { src: `frame/${item.number}/${item.frame}.jpg`, alt: "", loading: "lazy", decoding: "async", style: { aspectRatio: String(item.aspect) } });
    const findings = item.findings ? el("span", { class: "tag fix" }, `${item.findings} finding${item.findings > 1 ? "s" : ""}`) : null;
    return el("button", { class: "card item", type: "button", "data-record": item.number, onclick: () => go({ record: item.number }) },
      el("span", { class: "thumb" }, picture, el("span", { class: "badges" }, el("span", { class: "tag" }, item.task), badge(item.mark), findings)),
      el("span", { class: "words" }, el("div", {}, item.question || "–"), el("small", {}, item.media || item.id)));
  }

  // One record.
  async function open(number) {
    const view = await ask(`api/record/${number}`);
    if (state().get("record") !== String(number)) return;
    opened = view;
    const place = el("div", { class: "stage-place" });
    const at = shown.items.indexOf(view.number);
    const neighbour = (step) => shown.items[at + step];
    const move = (words, step, name) => el("button", { class: `button ${name}`, type: "button", disabled: neighbour(step) === undefined, onclick: () => go({ record: neighbour(step) }) }, words);
    const story = view.story;
    const times = timing(view);
    const left = el("div", {}, el("div", { class: "card" }, place));
    if (story) left.append(el("div", { class: "card", id: "conversation" }, Clip.conversation(story, times.toSeconds, (share) => player && player.seek(share))));
    by("record").replaceChildren(
      el("div", { class: "bar" },
        el("button", { class: "button back", type: "button", onclick: () => go({ record: null }) }, "‹ Records"),
        el("span", { class: "tag" }, view.task), el("span", { class: "tag plain" }, view.source), el("h2", {}, view.id || view.media || "no record"),
        el("span", { class: "rest" }, move("‹ Previous", -1, "previous"), move("Next ›", 1, "next"))),
      el("div", { class: "two" }, left, el("div", {}, marking(view), found(view), facts(view))));
    if (player) player.remove();
    player = stage(place, view, times);
  }

  // How shares of the clip and seconds of the file go together, where that is known.
  function timing(view) {
    const { clip, split, fps } = view;
    if (clip && clip.seconds.length > 1) {
      const [first, last] = [clip.seconds[0], clip.seconds[clip.seconds.length - 1]];
      const [from, to] = [clip.times[0], clip.times[clip.times.length - 1]];
      return { toSeconds: (share) => first + ((share - from) / (to - from)) * (last - first) };
    }
    if (split && fps) {
      const [first, last] = split;
      return { toSeconds: (share) => (first + share * (last - first)) / fps, toShare: (time) => (time * fps - first) / Math.max(1, last - first) };
    }
    return {};
  }

  function stage(place, view, times) {
    const { clip } = view;
    if (clip) {
      return Clip.mount(place, {
        count: clip.times.length, url: (at) => `frame/${view.number}/${at}.jpg`, times: clip.times, seconds: view.kind === "video" ? clip.seconds : null,
        indices: clip.indices, aspect: clip.size[0] / clip.size[1], story: view.story,
      });
    }
    if (view.file_shown && view.kind === "image") return Clip.mount(place, { count: 1, image: true, url: () => `media/${view.number}`, story: view.story });
    if (view.file_shown && view.kind === "video") {
      return Clip.mount(place, {
        video: `media/${view.number}`, story: view.story, fps: view.fps,
        toShare: times.toShare || ((time, whole) => time / whole), toSeconds: times.toSeconds || ((share, whole) => share * whole),
      });
    }
    const why = view.kind === "no record" ? "These bytes are no record." : view.fault || "No frames to show: the shards do not hold this clip, and its file is not in the data root.";
    place.replaceChildren(el("p", { class: "empty" }, why));
    return null;
  }

  function marking(view) {
    if (view.kind === "no record") return null;
    const note = el("textarea", { placeholder: "Note (optional)", "aria-label": "note" });
    note.value = view.note;
    const words = { good: "Good", bad: "Bad", fix: "Fix" };
    const buttons = Object.entries(words).map(([mark, title]) => el("button", {
      class: `button ${mark}`, type: "button", "aria-pressed": String(view.mark === mark), onclick: () => set(view, view.mark === mark ? null : mark, note.value),
    }, title));
    note.addEventListener("change", () => view.mark && set(view, view.mark, note.value));
    return el("div", { class: "card" }, el("h3", {}, "What do you think of it?"), el("div", { class: "marks" }, ...buttons), note,
      el("p", { class: "soft small", style: { margin: "8px 0 0" } }, el("kbd", {}, "G"), " ", el("kbd", {}, "B"), " ", el("kbd", {}, "F"), " mark · ",
        el("kbd", {}, "J"), " ", el("kbd", {}, "K"), " next, previous · ", el("kbd", {}, "←"), " ", el("kbd", {}, "→"), " frames · ", el("kbd", {}, "space"), " play"));
  }

  async function set(view, mark, note) {
    try {
      await ask(`api/mark/${view.number}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ mark, note }) });
      view.mark = mark;
      for (const button of by("record").querySelectorAll(".marks .button")) button.setAttribute("aria-pressed", String(button.classList.contains(mark)));
      shown.query = null;
    } catch (error) { complain(`The mark was not kept: ${error.message}`); }
  }

  function found(view) {
    if (!view.findings.length) return null;
    return el("div", { class: "card" }, el("h3", {}, "What validate says"), ...view.findings.map((one) =>
      el("div", { class: "finding" }, el("b", { class: one.severity }, one.rule), el("span", { class: "soft" }, ` ${one.severity}`), el("div", {}, one.message))));
  }

  function facts(view) {
    const { clip } = view;
    const rows = [["File", `${view.file}:${view.line}`], ["Media", view.media], ["Split", view.split && `${view.split[0]} – ${view.split[1]}`],
      ["Size", clip && `${clip.size[0]} × ${clip.size[1]}`], ["Frames", clip && view.kind === "video" && `${clip.times.length} stored${clip.missing ? `, ${clip.missing} missing` : ""} of ${count(clip.source_frames)}`],
      ["Rate", clip && clip.fps ? `${clip.fps.toFixed(2)} / s` : view.fps && `${view.fps} / s`], ["Shards", clip && clip.shards], ["Digest", view.digest]];
    return el("div", { class: "card" }, el("h3", {}, "Where it comes from"),
      el("dl", {}, ...rows.filter((row) => row[1]).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
      el("details", { style: { marginTop: "12px" } }, el("summary", {}, "JSON"), el("pre", {}, view.json)));
  }

  async function render() {
    const record = state().get("record");
    // What is being typed is not taken away by an address that comes a moment later.
    if (document.activeElement !== by("text")) by("text").value = state().get("text") || "";
    try {
      complain("");
      if (shown.query !== String(filters())) await list(0);
      by("list").hidden = record !== null;
      by("more").hidden = record !== null || shown.next === null;
      by("record").hidden = record === null;
      if (record !== null) { await open(Number(record)); window.scrollTo(0, 0); }
      else if (player) { player.remove(); player = null; opened = null; by("record").replaceChildren(); }
    } catch (error) { complain(error.message); }
  }

  let typing = 0;
  by("text").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => go({ text: by("text").value.trim(), record: null }, true), 250);
  });
  by("more").addEventListener("click", () => list(shown.next).catch((error) => complain(error.message)));
  new IntersectionObserver((seen) => {
    if (seen[0].isIntersecting && shown.next !== null && state().get("record") === null) by("more").click();
  }, { rootMargin: "600px" }).observe(by("more"));
  addEventListener("hashchange", render);
  addEventListener("keydown", (event) => {
    if (event.target.matches("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") { event.preventDefault(); by("text").focus(); return; }
    if (!opened) return;
    const press = (selector) => { const button = by("record").querySelector(selector); if (button && !button.disabled) button.click(); };
    const keys = {
      Escape: () => go({ record: null }), j: () => press(".next"), k: () => press(".previous"), g: () => press(".marks .good"), b: () => press(".marks .bad"), f: () => press(".marks .fix"),
      ArrowLeft: () => player && player.step(-1), ArrowRight: () => player && player.step(1), " ": () => player && player.toggle(),
    };
    const act = keys[event.key];
    if (act && !(event.key === " " && event.target.matches("button"))) { event.preventDefault(); act(); }
  });
  render();
})();

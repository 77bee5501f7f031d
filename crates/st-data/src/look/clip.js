// A clip with what a record says of it: stage, controls, time line, strip; and its conversation with chips.
// Used by `stdata browse` (frames by address) and by the report of `stdata stats` (frames inside the page).
"use strict";

const Clip = (() => {
  const el = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (name === "style") Object.assign(made.style, value);
      else made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  };
  const percent = (share) => `${100 * share}%`;
  const colour = (number) => `k${number % 6}`;
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const seconds = (value) => (value < 60 ? `${value.toFixed(1)} s` : `${Math.floor(value / 60)}:${(value % 60).toFixed(1).padStart(4, "0")}`);
  const EMPTY = { turns: [], spans: [], boxes: [], tubes: [] };

  // The boxes at a time: those without a time, and of each tube the one at that time or, between two, the way from one to the other.
  function boxesAt(story, time, reach) {
    const boxes = story.boxes.map((box, number) => ({ at: box.at, side: box.side, number, name: `box ${number + 1}` }));
    story.tubes.forEach((tube, number) => {
      const order = tube.times.map((_, at) => at).sort((a, b) => tube.times[a] - tube.times[b]);
      const near = order.reduce((best, at) => (Math.abs(tube.times[at] - time) < Math.abs(tube.times[best] - time) ? at : best), order[0]);
      const name = `tube ${number + 1}`;
      if (Math.abs(tube.times[near] - time) <= reach) {
        boxes.push({ at: tube.boxes[near], side: tube.side, number, name });
        return;
      }
      const next = order.findIndex((at) => tube.times[at] > time);
      if (next < 1) return;
      const [a, b] = [order[next - 1], order[next]];
      const share = (time - tube.times[a]) / (tube.times[b] - tube.times[a]);
      const at = tube.boxes[a].map((value, corner) => value + share * (tube.boxes[b][corner] - value));
      boxes.push({ at, side: tube.side, number, name, between: true });
    });
    return boxes;
  }

  function drawn(box) {
    const [x1, y1, x2, y2] = box.at;
    const marks = ["box", colour(box.number), box.side, box.between ? "between" : "", y1 < 0.06 ? "low" : ""];
    const style = { left: percent(x1), top: percent(y1), width: percent(Math.max(0, x2 - x1)), height: percent(Math.max(0, y2 - y1)) };
    return el("div", { class: marks.filter(Boolean).join(" "), style }, el("span", {}, el("i", {}, box.name)));
  }

  // Rows of the time line: a span is a bar, a tube a thread with beads.
  function rows(story) {
    const spans = story.spans.map((span, number) => {
      const [a, b] = span.at;
      const bar = el("i", { style: { left: percent(clamp(a, 0, 1)), width: percent(clamp(b, 0, 1) - clamp(a, 0, 1)) } });
      return el("div", { class: `row ${colour(number)} ${span.side}`, title: `span ${number + 1}, ${span.side}` }, bar);
    });
    const tubes = story.tubes.map((tube, number) => {
      const [a, b] = [Math.min(...tube.times), Math.max(...tube.times)];
      const thread = el("u", { style: { left: percent(a), width: percent(b - a) } });
      const beads = tube.times.map((time) => el("s", { style: { left: percent(time) } }));
      return el("div", { class: `row ${colour(number)} ${tube.side}`, title: `tube ${number + 1}, ${tube.side}` }, thread, ...beads);
    });
    return [...spans, ...tubes];
  }

  // options: count, url(i), times[i] (share of the clip), seconds[i] (in the file; may be absent), indices[i], aspect, story,
  // video (address of the file, where there are no frames), toShare(seconds), toSeconds(share).
  function mount(place, options) {
    const story = options.story || EMPTY;
    const still = options.count === 1 || options.image;
    const reach = options.reach !== undefined ? options.reach : options.times && options.times.length > 1 ? 0.5 / (options.times.length - 1) + 1e-9 : 0.005;
    const marks = el("div");
    const picture = options.video ? el("video", { src: options.video, preload: "metadata", muted: true, playsinline: true }) : el("img", { alt: "", decoding: "async" });
    const stage = el("div", { class: "stage" }, picture, marks);
    const root = el("div", { class: "clip" }, stage);
    let [current, timer, dead] = [0, 0, false];

    const shape = (aspect) => {
      stage.style.aspectRatio = String(aspect);
      stage.style.width = `min(100%, calc(62vh * ${aspect}))`;
    };
    shape(options.aspect || 16 / 9);
    const show = (share) => marks.replaceChildren(...boxesAt(story, share, reach).map(drawn));

    place.replaceChildren(root);
    if (still) {
      picture.src = options.url(0);
      if (!options.aspect) picture.addEventListener("load", () => shape(picture.naturalWidth / picture.naturalHeight));
      marks.replaceChildren(...boxesAt(story, 0, 2).map(drawn));
      return { step() {}, toggle() {}, seek() {}, at: () => 0, remove() {} };
    }

    const head = el("div", { class: "head" });
    const line = el("div", { class: "line", role: "slider", "aria-label": "time", tabindex: "0" }, ...rows(story), head);
    if (!story.spans.length && !story.tubes.length) line.prepend(el("div", { class: "row" }));
    const play = el("button", { class: "button play", type: "button", "aria-label": "play or stop" }, "▶ Play");
    const back = el("button", { class: "button", type: "button", "aria-label": "one frame back" }, "‹");
    const forth = el("button", { class: "button step", type: "button", "aria-label": "one frame on" }, "›");
    const speed = el("select", { class: "button", "aria-label": "speed" }, ...["0.25", "0.5", "1", "2", "4"].map((value) => el("option", { value, selected: value === "1" }, `${value}×`)));
    const where = el("span", { class: "where" });
    root.append(el("div", { class: "controls" }, back, play, forth, speed, where), line);

    const moved = (share, words) => {
      head.style.left = percent(clamp(share, 0, 1));
      line.setAttribute("aria-valuenow", share.toFixed(3));
      where.textContent = words;
      show(share);
    };
    const ticks = (first, last) => {
      line.querySelectorAll(".tick").forEach((tick) => tick.remove());
      const count = 4;
      for (let at = 0; at <= count; at++) {
        const share = at / count;
        line.append(el("span", { class: at === count ? "tick end" : "tick", style: { left: percent(share) } }, seconds(first + share * (last - first))));
      }
    };
    const shareOf = (event) => {
      const place = line.getBoundingClientRect();
      return clamp((event.clientX - place.left) / place.width, 0, 1);
    };

    if (options.video) {
      // The file itself: the browser decodes it, marks follow its clock.
      let limits = [0, 0];
      const tell = () => {
        if (dead) return;
        const share = options.toShare(picture.currentTime, picture.duration || 1);
        moved(share, `${seconds(picture.currentTime)} of the file`);
        if (!picture.paused && picture.currentTime >= limits[1]) picture.pause();
      };
      const loop = () => { tell(); if (!picture.paused && !dead) requestAnimationFrame(loop); };
      picture.addEventListener("loadedmetadata", () => {
        if (!options.aspect) shape(picture.videoWidth / picture.videoHeight);
        limits = [options.toSeconds(0, picture.duration), options.toSeconds(1, picture.duration)];
        ticks(...limits);
        picture.currentTime = limits[0];
        tell();
      });
      picture.addEventListener("error", () => stage.replaceChildren(el("p", { class: "empty" }, "The browser cannot play this file; frames of shards can always be shown.")));
      picture.addEventListener("seeked", tell);
      picture.addEventListener("play", () => { play.textContent = "❚❚ Stop"; loop(); });
      picture.addEventListener("pause", () => { play.textContent = "▶ Play"; });
      speed.addEventListener("change", () => { picture.playbackRate = Number(speed.value); });
      const control = {
        step: (by) => { picture.pause(); picture.currentTime += by / (options.fps || 25); },
        toggle: () => { if (picture.paused) { if (picture.currentTime >= limits[1]) picture.currentTime = limits[0]; picture.play(); } else picture.pause(); },
        seek: (share) => { picture.currentTime = options.toSeconds(share, picture.duration); },
        at: () => picture.currentTime,
        remove: () => { dead = true; picture.pause(); picture.removeAttribute("src"); picture.load(); },
      };
      play.addEventListener("click", control.toggle);
      back.addEventListener("click", () => control.step(-1));
      forth.addEventListener("click", () => control.step(1));
      line.addEventListener("click", (event) => control.seek(shareOf(event)));
      return control;
    }

    const { count, times } = options;
    const known = options.seconds && options.seconds.length === count;
    const name = (at) => (known ? seconds(options.seconds[at]) : times[at].toFixed(3));
    const strip = el("div", { class: "strip", "aria-label": "frames" });
    const panes = times.map((time, at) => {
      const pane = el("div", { class: "pane", style: { aspectRatio: String(options.aspect || 16 / 9) } },
        el("img", { src: options.url(at), alt: "", loading: "lazy", decoding: "async" }), ...boxesAt(story, time, reach).filter((box) => !box.between).map(drawn));
      const inside = story.spans.map((span, number) => (span.at[0] <= time && time <= span.at[1] ? el("i", { class: colour(number) }) : null)).filter(Boolean);
      return el("button", { type: "button", "aria-label": `frame ${at + 1} of ${count}`, onclick: () => go(at) }, pane, el("div", { class: "in" }, ...inside), el("small", {}, name(at)));
    });
    strip.append(...panes);
    root.append(strip);
    if (options.ends) ticks(...options.ends);
    else if (known) ticks(options.seconds[0], options.seconds[count - 1]);

    const nearest = (share) => times.reduce((best, time, at) => (Math.abs(time - share) < Math.abs(times[best] - share) ? at : best), 0);
    function go(at) {
      panes[current].removeAttribute("aria-current");
      current = clamp(at, 0, count - 1);
      panes[current].setAttribute("aria-current", "true");
      picture.src = options.url(current);
      const pane = panes[current];
      const [left, right] = [pane.offsetLeft - strip.offsetLeft, pane.offsetLeft - strip.offsetLeft + pane.offsetWidth];
      if (left < strip.scrollLeft || right > strip.scrollLeft + strip.clientWidth) strip.scrollLeft = left - strip.clientWidth / 2;
      const frame = options.indices ? ` · frame ${options.indices[current]}` : "";
      moved(times[current], `${name(current)}${frame} · ${current + 1} / ${count}`);
    }
    const stop = () => { clearTimeout(timer); timer = 0; play.textContent = "▶ Play"; };
    const tick = () => {
      if (current === count - 1) return stop();
      const wait = known ? options.seconds[current + 1] - options.seconds[current] : 0.1;
      timer = setTimeout(() => { go(current + 1); tick(); }, clamp((1000 * wait) / Number(speed.value), 25, 1000));
    };
    const toggle = () => {
      if (timer) return stop();
      // All frames are asked for once, so that playing does not wait for them.
      for (let at = 0; at < count; at++) new Image().src = options.url(at);
      if (current === count - 1) go(0);
      play.textContent = "❚❚ Stop";
      tick();
    };
    const step = (by) => { stop(); go(current + by); };
    play.addEventListener("click", toggle);
    back.addEventListener("click", () => step(-1));
    forth.addEventListener("click", () => step(1));
    const drag = (event) => { stop(); go(nearest(shareOf(event))); };
    line.addEventListener("pointerdown", (event) => { line.setPointerCapture(event.pointerId); drag(event); });
    line.addEventListener("pointermove", (event) => { if (event.buttons) drag(event); });
    const start = story.spans.length ? story.spans[story.spans.length - 1].at[0] : story.tubes.length ? story.tubes[0].times[0] : 0;
    const first = times.findIndex((time) => time >= start - 1e-9);
    go(first < 0 ? 0 : first);
    return { step, toggle, seek: (share) => { stop(); go(nearest(share)); }, at: () => current, remove: stop };
  }

  // The conversation. toSeconds(share) names times where it can; seek(share) is called when a chip is chosen.
  function conversation(story, toSeconds, seek) {
    const when = (share) => (toSeconds ? seconds(toSeconds(share)) : share.toFixed(3));
    const chip = (number, side, words, share) =>
      el("button", { class: `chip ${colour(number)} ${side}`, type: "button", title: side, onclick: () => seek && seek(share) }, words);
    const told = (part) => {
      if (part.text !== undefined) return part.text;
      if (part.span !== undefined) {
        const { at, side } = story.spans[part.span];
        return chip(part.span, side, `span ${part.span + 1}: ${when(at[0])} – ${when(at[1])}`, at[0]);
      }
      if (part.box !== undefined) return chip(part.box, story.boxes[part.box].side, `box ${part.box + 1}`, 0);
      if (part.tube !== undefined) {
        const { times, side } = story.tubes[part.tube];
        const places = times.length === 1 ? `at ${when(times[0])}` : `${times.length} boxes, ${when(Math.min(...times))} – ${when(Math.max(...times))}`;
        return chip(part.tube, side, `tube ${part.tube + 1}: ${places}`, Math.min(...times));
      }
      if (part.time !== undefined) return chip(0, "answered", when(part.time), part.time);
      return el("code", {}, part.loose);
    };
    const names = { human: "Question", gpt: "Answer", system: "System" };
    return el("div", {}, ...story.turns.map((turn) => el("div", { class: "turn" }, el("b", {}, names[turn.from] || turn.from), el("div", {}, ...turn.parts.map(told)))));
  }

  return { el, mount, conversation, seconds, boxesAt };
})();

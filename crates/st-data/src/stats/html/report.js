// The report of `stdata stats`: charts from the numbers inside the page, sample cards, a filter for all of them.
(() => {
  const { el } = Clip;
  const by = (id) => document.getElementById(id);
  const { report, samples } = JSON.parse(by("data").textContent);
  const count = (number) => Math.round(number).toLocaleString("en-US");
  const short = (number) => (number >= 1e6 ? `${(number / 1e6).toFixed(number >= 1e7 ? 0 : 1)} M` : number >= 1e4 ? `${(number / 1e3).toFixed(0)} k` : count(number));
  const share = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(part && part / whole < 0.001 ? 3 : 1)} %` : "–");
  const hours = (seconds) => (seconds >= 36000 ? count(seconds / 3600) : (seconds / 3600).toFixed(seconds >= 360 ? 1 : 2));
  const fixed = (digits) => (value) => (value === null || value === undefined ? "–" : Number(value).toFixed(digits));
  const word = (value, none = "–") => (value === null || value === undefined || value === "" ? none : String(value));
  const many = (number, one, more = `${one}s`) => `${count(number)} ${number === 1 ? one : more}`;
  const widest = report.datasets.reduce((best, one) => (best === null || one.listed > best.listed ? one : best), null);
  const chosen = { dataset: widest ? widest.name : "", task: "", source: "" };

  // Charts. All are drawn into 360 × 150 units.
  const SVG = "http://www.w3.org/2000/svg";
  const draw = (tag, attributes, text) => {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const titled = (shape, words) => { shape.append(draw("title", {}, words)); return shape; };

  function columns(values, marks, note) {
    const [width, height, foot] = [360, 118, 18];
    const most = Math.max(...values.map((one) => one.count), 1);
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height + foot}`, role: "img" });
    const step = Math.min(width / values.length, 44);
    const used = step * values.length;
    values.forEach((one, at) => {
      const tall = one.count ? Math.max(1, (one.count / most) * (height - 12)) : 0;
      svg.append(titled(draw("rect", { class: "bar", x: at * step + 0.5, y: height - tall, width: Math.max(step - 1, 0.5), height: tall, rx: Math.min(1.5, step / 4) }), `${one.label}: ${count(one.count)}`));
    });
    svg.append(draw("line", { class: "axis", x1: 0, x2: width, y1: height + 0.5, y2: height + 0.5 }));
    marks.forEach((mark) => svg.append(draw("text", { x: mark.at * used, y: height + 14, "text-anchor": mark.at < 0.04 ? "start" : mark.at > 0.96 ? "end" : "middle" }, mark.text)));
    svg.append(draw("text", { x: width, y: 9, "text-anchor": "end" }, `most: ${count(most)}`));
    if (note !== undefined && note !== null) svg.append(draw("line", { class: "median", x1: note * used, x2: note * used, y1: 10, y2: height }));
    return svg;
  }

  function merged(groups, name) {
    const whole = { count: 0, sum: 0, bins: [], range: [0, 1], min: null, max: null };
    for (const group of groups) {
      const one = group[name];
      if (!one || !one.count) continue;
      whole.range = one.range;
      whole.count += one.count;
      whole.sum += one.mean * one.count;
      whole.min = whole.min === null ? one.min : Math.min(whole.min, one.min);
      whole.max = whole.max === null ? one.max : Math.max(whole.max, one.max);
      one.bins.forEach((bin, at) => { whole.bins[at] = (whole.bins[at] || 0) + bin; });
    }
    return whole;
  }

  function quantile(spread, wanted) {
    let seen = 0;
    for (let at = 0; at < spread.bins.length; at++) {
      seen += spread.bins[at];
      if (seen >= wanted * spread.count) {
        const [low, high] = spread.range;
        return Math.min(spread.max, Math.max(spread.min, low + ((at + 0.5) / spread.bins.length) * (high - low)));
      }
    }
    return null;
  }

  function histogram(title, groups, name, tell = fixed(2), unit = "") {
    const spread = merged(groups, name);
    if (!spread.count) return null;
    const [low, high] = spread.range;
    const at = (place) => low + place * (high - low);
    const bins = [];
    for (let pair = 0; pair < spread.bins.length; pair += 2) {
      bins.push({ label: `${tell(at(pair / spread.bins.length))} – ${tell(at((pair + 2) / spread.bins.length))}`, count: spread.bins[pair] + (spread.bins[pair + 1] || 0) });
    }
    const middle = quantile(spread, 0.5);
    const marks = [0, 0.25, 0.5, 0.75, 1].map((place) => ({ at: place, text: tell(at(place)) }));
    return el("div", { class: "card chart" }, el("h3", {}, title, el("span", { class: "soft" }, `n = ${short(spread.count)}`)), columns(bins, marks, (middle - low) / (high - low)),
      el("p", { class: "key" }, `median ${tell(middle)}${unit}, mean ${tell(spread.sum / spread.count)}${unit}, 90 % in ${tell(quantile(spread, 0.05))} – ${tell(quantile(spread, 0.95))}`));
  }

  function tally(title, groups, name, unit) {
    const buckets = new Map();
    let [all, sum] = [0, 0];
    for (const group of groups) {
      const one = group[name];
      if (!one || !one.count) continue;
      all += one.count; sum += one.sum;
      for (const [low, number] of one.buckets) buckets.set(low, (buckets.get(low) || 0) + number);
    }
    const keys = [...buckets.keys()].sort((a, b) => a - b);
    if (!all || keys.length === 1) return null; // one bar says nothing
    const values = keys.map((low, at) => ({ label: low < 16 ? `${low}` : `${low} – ${(keys[at + 1] || low + 1) - 1}`, count: buckets.get(low) }));
    const every = Math.max(1, Math.ceil(keys.length / 9));
    const marks = keys.map((low, at) => ({ at: (at + 0.5) / keys.length, text: at % every === 0 ? short(low) : "" }));
    let [seen, middle] = [0, keys[0]];
    for (const low of keys) { seen += buckets.get(low); if (seen >= all / 2) { middle = low; break; } }
    return el("div", { class: "card chart" }, el("h3", {}, title, el("span", { class: "soft" }, `n = ${short(all)}`)), columns(values, marks),
      el("p", { class: "key" }, `median ${count(middle)}, mean ${(sum / all).toFixed(1)}, ${short(sum)} ${unit} in all`));
  }

  function heat(groups) {
    const cells = [];
    for (const group of groups) (group.box_centres || []).forEach((cell, at) => { cells[at] = (cells[at] || 0) + cell; });
    if (!cells.length) return null;
    const side = Math.round(Math.sqrt(cells.length));
    const most = Math.max(...cells);
    const svg = draw("svg", { viewBox: "0 0 320 180", role: "img" });
    svg.append(draw("rect", { x: 0, y: 0, width: 320, height: 180, rx: 6, fill: "var(--bg)", stroke: "var(--line)" }));
    cells.forEach((cell, at) => {
      if (!cell) return;
      const [x, y] = [(at % side) * (320 / side), Math.floor(at / side) * (180 / side)];
      svg.append(titled(draw("rect", { class: "cell", x, y, width: 320 / side + 0.2, height: 180 / side + 0.2, "fill-opacity": 0.06 + 0.94 * (cell / most) }), `${count(cell)} boxes`));
    });
    const all = cells.reduce((a, b) => a + b, 0);
    return el("div", { class: "card chart" }, el("h3", {}, "Where boxes are", el("span", { class: "soft" }, `n = ${short(all)}`)), svg, el("p", { class: "key" }, `middles of boxes in the picture, ${side} × ${side} cells; fullest: ${share(most, all)} of all`));
  }

  function bars(title, rows, note) {
    if (!rows.length) return null;
    const most = Math.max(...rows.map((row) => row.count));
    return el("div", { class: "card chart" }, el("h3", {}, title, note ? el("span", { class: "soft" }, note) : null), ...rows.map((row) =>
      el("div", { class: "hbar", title: row.text }, el("span", {}, row.text), el("span", {}, el("i", { style: { width: `${(100 * row.count) / most}%` } })), el("b", {}, row.more || count(row.count)))));
  }

  const several = (chart, title, rows) => (rows.length > 1 ? chart(title, rows.slice(0, 20), rows.length > 20 ? `first 20 of ${count(rows.length)}` : null) : null);

  // heads: [words, numeric]; rows: arrays of cells.
  function table(heads, rows, shown = 30) {
    const cell = (value, at) => el("td", heads[at][1] ? { class: "n" } : {}, value === null || value === undefined ? "–" : value);
    const made = rows.map((row, at) => el("tr", { hidden: at >= shown }, ...row.map(cell)));
    const all = el("table", {}, el("thead", {}, el("tr", {}, ...heads.map(([words, numeric]) => el("th", numeric ? { class: "n" } : {}, words)))), el("tbody", {}, ...made));
    if (rows.length <= shown) return [all];
    const more = el("button", { class: "button", type: "button", style: { marginTop: "10px" }, onclick: () => { made.forEach((row) => { row.hidden = false; }); more.remove(); } }, `All ${count(rows.length)} rows`);
    return [all, more];
  }
  const wide = (...children) => el("div", { class: "card wide" }, ...children);
  const place = (one) => `${one.file}:${one.line}${one.id ? ` (${one.id})` : ""}`;
  const evidence = (names) => names.map((name) => name.replaceAll("_", " ")).join(", ");

  const groupsNow = () => report.groups.filter((group) => (!chosen.dataset || group.dataset === chosen.dataset) && (!chosen.task || word(group.task) === chosen.task) && (!chosen.source || word(group.source) === chosen.source));
  const summed = (groups, name, key) => {
    const sums = new Map();
    for (const group of groups) sums.set(word(group[key]), (sums.get(word(group[key])) || 0) + (name === "records" ? group.records : group[name]));
    return [...sums].map(([text, number]) => ({ text, count: number })).sort((a, b) => b.count - a.count);
  };
  const grid = (...charts) => { const there = charts.filter(Boolean); return there.length ? el("div", { class: "grid" }, ...there) : null; };

  const SECTIONS = [
    ["content", "What is in it", true, () => {
      const groups = groupsNow();
      if (!groups.length) return [el("p", { class: "card empty" }, "No record is like this.")];
      const rows = groups.map((group) => [word(group.task), word(group.source), count(group.records), count(group.clips), group.records_per_clip.mean ? group.records_per_clip.mean.toFixed(1) : "–", group.seconds ? hours(group.seconds) : "–", count(group.questions), count(group.span_length.count), fixed(3)(group.span_length.median), count(group.box_area.count), fixed(3)(group.box_area.median), group.wrong_counts ? count(group.wrong_counts) : "0"]);
      const row = report.datasets.find((one) => one.name === chosen.dataset);
      return [grid(bars("Records by task", summed(groups, "records", "task")), several(bars, "Records by source", summed(groups, "records", "source")), tally("Records per clip", groups, "records_per_clip", "records"),
        tally("Turns of a record", groups, "turns", "turns"), tally("Words of a record's questions", groups, "question_words", "words"), tally("Words of a record's answers", groups, "answer_words", "words")),
      wide(...table([["Task"], ["Source"], ["Records", 1], ["Clips", 1], ["per clip", 1], ["Hours", 1], ["Questions", 1], ["Spans", 1], ["length", 1], ["Boxes", 1], ["area", 1], ["Wrong counts", 1]], rows),
        el("p", { class: "key" }, `Lengths and areas are medians, as shares of the clip and the picture.${row ? ` Of ${count(row.listed)} listed records, training sees ${count(row.taken)}.` : ""}`))];
    }],
    ["time", "When", true, () => {
      const groups = groupsNow();
      return [grid(histogram("Length of spans", groups, "span_length"), histogram("Start of spans", groups, "span_start"), histogram("Middle of spans", groups, "span_middle"), tally("Spans of an answer", groups, "answer_spans", "spans"))];
    }],
    ["space", "Where", true, () => {
      const groups = groupsNow();
      const aspect = (value) => (value === null ? "–" : value >= 0 ? `${(2 ** value).toFixed(value < 3.3 ? 1 : 0)}:1` : `1:${(2 ** -value).toFixed(value > -3.3 ? 1 : 0)}`);
      return [grid(heat(groups), histogram("Area of boxes", groups, "box_area"), histogram("Width to height of boxes", groups, "box_aspect", aspect), tally("Boxes of an answer", groups, "answer_boxes", "boxes"),
        tally("Boxes of a tube", groups, "tube_boxes", "boxes"), histogram("Length of tubes", groups, "tube_length"), histogram("Way of a tube's middle", groups, "tube_motion"), tally("Tubes of an answer", groups, "answer_tubes", "tubes"))];
    }],
    ["bins", "What 100 bins lose", false, () => {
      const { spans, boxes, tasks, axes, bins } = report.quantization;
      if (!spans.count && !boxes.count) return [];
      const bound = (name, one) => [name, count(one.count), fixed(4)(one.nearest), fixed(4)(one.best), fixed(3)(one.worst), ...[0.5, 0.7, 0.9].map((wanted) => { const found = (one.reach || []).find(([threshold]) => Math.abs(threshold - wanted) < 1e-9); return found ? `${(100 * found[1]).toFixed(2)} %` : "–"; }), count(one.empty)];
      const rows = [bound("all spans", spans), bound("all boxes", boxes), ...tasks.flatMap((task) => [task.spans.count ? bound(`${word(task.task)}: spans`, task.spans) : null, task.boxes.count ? bound(`${word(task.task)}: boxes`, task.boxes) : null])].filter((row) => row && row[1] !== "0");
      return [wide(...table([["Coordinates of answers"], ["Number", 1], ["IoU, nearest bins", 1], ["IoU, best bins", 1], ["Worst", 1], ["≥ 0.5", 1], ["≥ 0.7", 1], ["≥ 0.9", 1], ["Empty", 1]], rows),
        el("p", { class: "key" }, `A model that writes one of ${bins} bins for each coordinate can reach no more than the column “best bins” on this data, however good it is.`)),
      el("div", { style: { height: "14px" } }), grid(histogram("Best IoU of spans", [{ spread: spans.spread }], "spread", fixed(2)), histogram("Best IoU of boxes", [{ spread: boxes.spread }], "spread", fixed(2)), ...axes.filter((axis) => axis.count).map((axis) =>
        el("div", { class: "card chart" }, el("h3", {}, `Numbers: ${axis.axis}`, el("span", { class: "soft" }, `n = ${short(axis.count)}`)), columns(axis.bins.map((number, at) => ({ label: `bin ${at}`, count: number })), [{ at: 0, text: "0" }, { at: 0.5, text: "50" }, { at: 1, text: "99" }]),
          el("p", { class: "key" }, `${count(axis.distinct)} different; exactly 0: ${share(axis.zeros, axis.count)}, exactly 1: ${share(axis.ones, axis.count)}${axis.outside ? `; outside: ${count(axis.outside)}` : ""}${axis.finer ? `; finer than 0.001: ${count(axis.finer)}` : ""}`))))];
    }],
    ["words", "Words", false, () => {
      const { text } = report;
      const top = (list, number = 20) => (list || []).slice(0, number);
      return [grid(bars("Most frequent words", top(text.words), `${short(text.vocabulary)} different`), bars("Most frequent answers", top(text.frequent_answers, 15), `${short(text.answers)} different`), bars("Most frequent objects", top(text.frequent_objects), `${short(text.objects)} different`),
        bars("Languages", top(text.languages, 12).map((one) => ({ ...one, more: share(one.count, text.language_sample) })), `of ${short(text.language_sample)} records`))];
    }],
    ["repeats", "Repeats and contradictions", false, () => {
      const { duplicates, contradictions, shared_media: shared } = report;
      const made = [];
      const counts = [["Same to the letter", duplicates.exact], ["Same but for case, punctuation, spaces", duplicates.same_text], ["Nearly the same, same clip", duplicates.near], ["Long text copied to another clip", duplicates.copied_text], ["Records that contradict each other", contradictions.records]];
      if (counts.some(([, number]) => number)) {
        made.push(grid(bars("Records beyond the first", counts.map(([text, number]) => ({ text, count: number, more: `${count(number)} · ${share(number, report.totals.records)}` }))), shared.sources.length ? bars("Sources that share media", shared.sources.slice(0, 15).map((pair) => ({ text: pair.sources.join(" + "), count: pair.media })), `${count(shared.media)} media under several names`) : null));
      }
      const repeats = duplicates.sets.map((set) => el("details", { class: "example" }, el("summary", {}, el("span", { class: "tag" }, evidence([set.likeness])), ` ${set.records.length} records: ${set.question}`), el("p", { class: "soft" }, set.answer), el("ul", {}, ...set.records.map((one) => el("li", {}, el("code", {}, place(one)))))));
      const against = contradictions.examples.map((one) => el("details", { class: "example" }, el("summary", {}, el("span", { class: "tag fix" }, "contradiction"), ` ${one.question}`), el("ul", {}, ...one.answers.map((answer, at) => el("li", {}, answer, " ", el("code", {}, one.records[at] ? place(one.records[at]) : ""))))));
      const files = shared.examples.map((one) => el("details", { class: "example" }, el("summary", {}, el("span", { class: "tag" }, evidence(one.evidence)), ` ${one.identity || one.paths[0]}: ${many(one.paths.length, "path")}, ${many(one.records, "record")}, ${one.sources.join(", ")}`), el("ul", {}, ...one.paths.map((path) => el("li", {}, el("code", {}, path))))));
      const list = [...against, ...repeats, ...files];
      if (list.length) made.push(wide(el("h3", {}, "Examples"), ...list.slice(0, 60)));
      return made;
    }],
    ["leakage", "Leakage into benchmarks", false, () => {
      const { benchmarks, examples, known, records } = report.leakage;
      const made = [];
      if (benchmarks.length) {
        made.push(wide(...table([["Benchmark"], ["Items", 1], ["Media", 1], ["Known media", 1], ["Training records", 1], ["From"], ["Evidence"]], benchmarks.map((one) => [one.file, count(one.items), count(one.media), `${count(one.leaked_media)} · ${share(one.leaked_media, one.media)}`, count(one.records), one.sources.map((source) => `${word(source.text)} ${count(source.count)}`).join(", "), one.evidence.map(([name, number]) => `${evidence([name])} ${count(number)}`).join(", ")])),
          el("p", { class: "key" }, `${many(records, "training record")} share media with, or repeat, a benchmark item.`)));
      }
      if (examples.length) made.push(wide(el("h3", {}, "Examples"), ...table([["Training record"], ["Benchmark item"], ["Evidence"]], examples.map((one) => [el("code", {}, place(one.record)), el("code", {}, place(one.item)), `${evidence(one.evidence)}: ${one.detail}`]), 15)));
      if (known.length) made.push(wide(el("h3", {}, "Known from the published files"), ...table([["Source"], ["Overlaps with"], ["Fact"], ["Records here", 1]], known.map((one) => [one.source, one.with, one.fact, count(one.records)]))));
      return made;
    }],
    ["paper", "Against the paper", false, () => (report.composition.length ? [wide(...table([["Stage", 1], ["Task"], ["Paper", 1], ["Here", 1], ["Missing sources"], ["Surplus sources"]], report.composition.map((one) => [one.stage, word(one.task), one.paper === null ? "–" : count(one.paper), count(one.taken), one.missing.join(", ") || "none", one.surplus.map((extra) => `${word(extra.text)} ${count(extra.count)}`).join(", ") || "none"])), el("p", { class: "key" }, "The table of arXiv:2501.08282, rounded there to thousands."))] : [])],
    ["mixture", "Mixture", true, () => {
      const rows = report.mixture.rows.filter((one) => (!chosen.dataset || one.dataset === chosen.dataset) && (!chosen.task || word(one.task) === chosen.task) && (!chosen.source || word(one.source) === chosen.source));
      if (!rows.length) return [];
      const most = Math.max(...rows.map((one) => one.share));
      const bar = (one) => el("span", {}, `${(100 * one.share).toFixed(1)} %`, el("span", { class: "fill", style: { width: `${(100 * one.share) / most}%` } }));
      return [wide(...table([["Task"], ["Source"], ["Listed", 1], ["An epoch takes", 1], ["Share", 1], ["Words", 1], ["Tokens", 1], ["GPU hours", 1]], rows.map((one) => [word(one.task), word(one.source), count(one.listed), count(one.taken), bar(one), short(one.words), one.tokens === null ? "–" : short(one.tokens), fixed(1)(one.gpu_hours)])), report.mixture.speed ? el("p", { class: "key" }, `Hours at ${report.mixture.speed}.`) : null)];
    }],
    ["files", "Files", false, () => [wide(...table([["File"], ["Records", 1], ["No records", 1]], report.files.map((one) => [el("span", {}, el("code", {}, one.path), one.benchmark ? " (benchmark)" : ""), count(one.records), count(one.no_records)])))]],
  ];

  // Samples.
  const storyOf = (sample) => sample.story;
  const textOf = (sample) => [sample.id, sample.task, sample.source, sample.media, ...sample.flags, ...storyOf(sample).turns.flatMap((turn) => turn.parts.map((part) => part.text || ""))].join(" ").toLowerCase();
  const middle = (sample) => { const { spans } = sample.story; const want = spans.length ? (spans[spans.length - 1].at[0] + spans[spans.length - 1].at[1]) / 2 : 0.5; return sample.times.reduce((best, time, at) => (Math.abs(time - want) < Math.abs(sample.times[best] - want) ? at : best), 0); };

  function card(sample) {
    const { story, frames } = sample;
    let picture = el("p", {}, "no frames");
    if (frames.length) {
      const at = middle(sample);
      const boxes = Clip.boxesAt(story, sample.times[at], frames.length === 1 ? 2 : sample.reach).map((box) => { const [x1, y1, x2, y2] = box.at; return el("div", { class: `box k${box.number % 6} ${box.side}`, style: { left: `${100 * x1}%`, top: `${100 * y1}%`, width: `${100 * Math.max(0, x2 - x1)}%`, height: `${100 * Math.max(0, y2 - y1)}%` } }); });
      picture = el("div", { class: "pane", style: { aspectRatio: String(sample.aspect) } }, el("img", { src: frames[at], alt: "" }), ...boxes);
    }
    const line = el("div", { class: "mini" }, ...story.spans.map((span, number) => el("i", { class: `k${number % 6}`, style: { left: `${100 * span.at[0]}%`, width: `${100 * Math.max(0, span.at[1] - span.at[0])}%` } })));
    const question = story.turns.length ? story.turns[0].parts.map((part) => (part.text === undefined ? "…" : part.text)).join("") : sample.id;
    return el("button", { class: "card", type: "button", onclick: () => open(sample) }, el("span", { class: frames.length ? "thumb" : "thumb none" }, picture, el("span", { class: "badges" }, el("span", { class: "tag" }, word(sample.task)), ...sample.flags.map((flag) => el("span", { class: "tag fix" }, flag.replaceAll("_", " "))))), line,
      el("span", { class: "words" }, el("div", {}, question), el("small", {}, `${word(sample.source)} · ${sample.media}`)));
  }

  let player = null;
  function open(sample) {
    const box = by("sample");
    const stage = el("div");
    const known = sample.seconds.length > 1;
    const toSeconds = known ? (at) => sample.start + at * (sample.end - sample.start) : null;
    box.replaceChildren(el("div", { class: "top" }, el("span", { class: "tag" }, word(sample.task)), el("span", { class: "tag plain" }, word(sample.source)), el("h2", {}, sample.id), el("button", { class: "button close", type: "button", onclick: () => box.close() }, "Close")), stage,
      Clip.conversation(sample.story, toSeconds, (at) => player && player.seek(at)), el("p", { class: "soft small", style: { marginTop: "10px" } }, `${place(sample.place)} · ${sample.media}${sample.frames.length > 1 ? ` · ${sample.frames.length} of the clip's ${sample.stored} stored frames` : ""}`));
    box.showModal();
    player = sample.frames.length ? Clip.mount(stage, { count: sample.frames.length, url: (at) => sample.frames[at], times: sample.times, seconds: known ? sample.seconds : null, ends: known ? [sample.start, sample.end] : null, reach: sample.reach, aspect: sample.aspect, story: sample.story }) : null;
  }
  by("sample").addEventListener("close", () => { if (player) player.remove(); player = null; });
  by("sample").addEventListener("click", (event) => { if (event.target === by("sample")) by("sample").close(); });
  by("sample").addEventListener("keydown", (event) => {
    if (!player || event.target.matches("select") || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = { ArrowLeft: () => player.step(-1), ArrowRight: () => player.step(1), " ": () => player.toggle() }[event.key];
    if (act && !(event.key === " " && event.target.matches("button"))) { event.preventDefault(); act(); }
  });

  const search = el("input", { type: "search", id: "search", placeholder: "Search the samples: words, task, source, finding", "aria-label": "search the samples", autocomplete: "off" });
  const told = el("span", { class: "soft num", id: "told" });
  const cards = el("div", { id: "cards" });
  const FIRST = 25;
  const more = el("button", { class: "button", type: "button", style: { margin: "14px auto 0", display: "block" } }, "All samples");
  const texts = samples.map(textOf);
  function list() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = samples.filter((sample, at) => (!chosen.task || word(sample.task) === chosen.task) && (!chosen.source || word(sample.source) === chosen.source) && words.every((one) => texts[at].includes(one)));
    told.textContent = `${count(found.length)} of ${count(samples.length)}`;
    more.hidden = found.length <= FIRST;
    more.onclick = () => { cards.append(...found.slice(FIRST).map(card)); more.hidden = true; };
    cards.replaceChildren(...found.slice(0, FIRST).map(card), ...(found.length ? [] : [el("p", { class: "empty", style: { gridColumn: "1 / -1" } }, "No sample says this.")]));
  }
  search.addEventListener("input", list);

  // The page.
  const drawn = new Map();
  function fill(name, title, make) {
    const parts = make().filter(Boolean);
    let section = drawn.get(name);
    if (!section) {
      section = el("section", { id: name });
      drawn.set(name, section);
      by("sections").append(section);
    }
    section.hidden = parts.length === 0;
    section.replaceChildren(el("h2", {}, title), ...parts);
  }
  function all(first) {
    for (const [name, title, filtered, make] of SECTIONS) if (first || filtered) fill(name, title, make);
    list();
  }
  const values = (key) => [...new Set(report.groups.filter((group) => !chosen.dataset || group.dataset === chosen.dataset).map((group) => word(group[key])))].sort();
  function choice(key, none, options) {
    const select = el("select", { class: "button", "aria-label": key, "data-choice": key, onchange: () => { chosen[key] = select.value; all(false); } }, ...(none ? [el("option", { value: "" }, none)] : []), ...options.map((value) => el("option", { value, selected: value === chosen[key] }, value)));
    return options.length > 1 ? select : null;
  }

  const { totals } = report;
  by("subtitle").textContent = [report.datasets.map((one) => one.name).join(", "), many(report.files.filter((file) => !file.benchmark).length, "annotation file"), totals.tokenizer && `tokens by ${totals.tokenizer}`].filter(Boolean).join(" · ");
  const tile = (number, words, look) => el("div", { class: `card tile${look ? " look" : ""}` }, el("b", {}, number), el("span", {}, words));
  const repeated = report.duplicates.exact + report.duplicates.same_text + report.duplicates.near;
  by("tiles").append(...[tile(short(totals.records), "records"), tile(short(totals.clips), "clips"), tile(short(totals.media), "media files"), totals.seconds ? (totals.seconds < 7200 ? tile((totals.seconds / 60).toFixed(totals.seconds < 600 ? 1 : 0), "minutes of video") : tile(hours(totals.seconds), "hours of video")) : null, tile(short(totals.questions), "questions"), tile(short(totals.tokens === null ? totals.words : totals.tokens), totals.tokens === null ? "words" : "tokens"),
    totals.clips_in_shards === null ? null : tile(share(totals.clips_in_shards, totals.clips), "of clips in shards"), totals.no_records ? tile(short(totals.no_records), "pieces that are no records", true) : null, totals.wrong_counts ? tile(short(totals.wrong_counts), "wrong counts", true) : null,
    repeated ? tile(short(repeated), "repeats", true) : null, report.contradictions.records ? tile(short(report.contradictions.records), "contradict each other", true) : null, report.leakage.records ? tile(short(report.leakage.records), "know a benchmark", true) : null].filter(Boolean));
  all(true);
  if (samples.length) {
    const section = el("section", { id: "samples" }, el("h2", {}, "Samples"), el("div", { class: "tools" }, search, told), cards, more);
    by("sections").insertBefore(section, by("content").nextSibling);
    drawn.set("samples", section);
  }
  const names = [...by("sections").children].filter((section) => !section.hidden).map((section) => [section.id, section.querySelector("h2").textContent]);
  by("nav").append(...names.map(([name, title]) => el("a", { href: `#${name}` }, title)), el("span", { class: "choices" }, ...[choice("dataset", "", report.datasets.map((one) => one.name)), choice("task", "all tasks", values("task")), choice("source", "all sources", values("source"))].filter(Boolean)));
})();

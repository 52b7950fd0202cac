// Plays the movement of a take in the scene that scene.js draws, and ties the charts of the page to its moment.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("motion").textContent);
  const figure = document.querySelector("#take figure.scene");
  const element = (id) => document.getElementById(id);
  const [SURE, UNSURE, GUESSED, MISSING] = [0, 1, 2, 3];
  const TRAIL_S = 1.5;

  function bytes(text) {
    const raw = atob(text);
    const array = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) array[i] = raw.charCodeAt(i);
    return array.buffer;
  }

  const time = new Float32Array(bytes(data.time_s));
  const frames = data.frames;
  const length = time[frames - 1] || 1e-9;
  const count = data.points.length;
  const sigmaCodes = new Uint8Array(bytes(data.sigma));
  const statusCodes = new Uint8Array(bytes(data.status));
  const pointXyz = new Int16Array(bytes(data.xyz));
  const bones = data.bones;
  if (bones) {
    bones.positions = new Int16Array(bytes(bones.xyz));
    bones.states = new Uint8Array(bytes(bones.status));
    for (const sole of bones.soles) sole.positions = new Int16Array(bytes(sole.xyz));
  }
  for (const other of data.others) other.positions = new Int16Array(bytes(other.xyz));
  const pointOf = new Map(data.points.map((point) => [point.place, point]));

  function place(array, many, from, frame, which) {
    const at = 3 * (frame * many + which);
    if (array[at] === -32768) return null;
    return [0, 1, 2].map((axis) => from.origin[axis] + from.step_m * array[at + axis]);
  }
  const point = (frame, which) => place(pointXyz, count, data, frame, which);
  const joint = (frame, which) => place(bones.positions, bones.names.length, bones, frame, which);
  const pointStatus = (frame, which) => statusCodes[frame * count + which] & 3;
  const sigma = (frame, which) => {
    const code = sigmaCodes[frame * count + which];
    return code ? 0.0005 * Math.exp(code / 32) : NaN;
  };
  const colourOf = (side) => `--${side}`;

  // ---- the body of one frame as things that the scene draws

  const onFloor = (p) => [p[0], p[1], 0];
  const line = (a, b, rest) => ({ kind: "line", points: [a, b], ...rest });
  const ball = (p, radius, colour, layer, opacity = 1) => (
    { kind: "ball", points: [p], radius_m: radius, colour, opacity, layer });
  const shadow = (pairs) => ({
    kind: "line", points: pairs.map(onFloor), pairs: true, layer: "shadow", floor: true, colour: "--shadow", width_m: 0.06, opacity: 0.4,
  });
  const thickness = (name) => (/thigh|shin|spine|chest/.test(name) ? 0.062 : /arm|hand$|neck|foot/.test(name) ? 0.048 : 0.036);

  function body(frame) {
    const items = [];
    const floored = [];
    const at = bones.names.map((_, which) => joint(frame, which));
    bones.names.forEach((name, which) => {
      const state = bones.states[frame * bones.names.length + which];
      const [end, start] = [at[which], at[bones.parents[which]]];
      const colour = colourOf(bones.sides[which]);
      if (!start) return;
      floored.push(start, end);
      if (name === "head_end") {
        const middle = end.map((value, axis) => (value + start[axis]) / 2);
        const tall = Math.hypot(...end.map((value, axis) => value - start[axis]));
        items.push(ball(middle, 0.55 * tall, colour, "body", state === GUESSED ? 0.35 : 1));
        return;
      }
      items.push(line(start, end, {
        layer: "body", colour, rim: state !== GUESSED, dashed: state === GUESSED, opacity: state === GUESSED ? 0.55 : 1,
        width_m: state === SURE ? thickness(bones.names[bones.parents[which]]) : 0.02,
      }));
    });
    const corners = ["left_upper_arm", "right_upper_arm", "right_thigh", "left_thigh"].map((name) => bones.names.indexOf(name));
    if (corners.every((which) => which >= 0)) {
      items.push({ kind: "face", points: corners.map((which) => at[which]), layer: "body", colour: "--middle", opacity: 0.22 });
    }
    items.push(shadow(floored));
    for (const sole of bones.soles) {
      const stands = place(sole.positions, 1, sole, frame, 0);
      if (stands) items.push(ball(stands, 0.028, "--stands", "body"));
    }
    return items;
  }

  function measured(frame) {
    const items = [];
    const floored = [];
    for (const [from, to] of data.edges) {
      const [a, b] = [point(frame, from), point(frame, to)];
      if (!a || !b) continue;
      const state = Math.max(pointStatus(frame, from), pointStatus(frame, to));
      const sides = [pointOf.get(from).side, pointOf.get(to).side];
      items.push(line(a, b, {
        layer: "points", colour: colourOf(sides[0] === sides[1] ? sides[0] : "middle"), width: state === SURE ? 2 : 1.2,
        dashed: state === GUESSED, opacity: state === GUESSED ? 0.6 : 1,
      }));
      floored.push(a, b);
    }
    if (!bones) items.push(shadow(floored));
    for (const { place: which, side } of data.points) {
      const p = point(frame, which);
      if (!p) continue;
      const guessed = pointStatus(frame, which) === GUESSED;
      items.push(ball(p, 0.012, guessed ? "--guessed" : colourOf(side), "points", guessed ? 0.6 : 1));
    }
    return items;
  }

  // Everybody else in the take, plainer, so that it stays clear whose page this is.
  function others(frame) {
    const items = [];
    for (const other of data.others) {
      const at = other.names.map((_, which) => place(other.positions, other.names.length, other, frame, which));
      const floored = [];
      other.names.forEach((name, which) => {
        const [end, start] = [at[which], at[other.parents[which]]];
        if (!start || !end) return;
        floored.push(start, end);
        if (name !== "head_end") items.push(line(start, end, { layer: "others", colour: "--muted", width_m: 0.03, opacity: 0.75 }));
        else items.push(ball(end.map((value, axis) => (value + start[axis]) / 2), 0.09, "--muted", "others", 0.75));
      });
      if (floored.length) items.push(shadow(floored));
    }
    return items;
  }

  // The way of the chosen point until now: older parts paler, in a few strokes, so that no joints show.
  function trail(frame) {
    const parts = Array.from({ length: 6 }, () => []);
    let last = null;
    for (let at = frame; at >= 0 && time[frame] - time[at] <= TRAIL_S; at--) {
      const p = point(at, chosen);
      const age = Math.min(5, Math.floor((6 * (time[frame] - time[at])) / TRAIL_S));
      if (p && last) parts[age].push(last, p);
      last = p;
    }
    const items = parts.filter((points) => points.length).map((points, age) => ({
      kind: "line", points, pairs: true, layer: "trail", colour: "--trail", width: 3, opacity: 1 - 0.15 * age,
    }));
    const now = point(frame, chosen);
    if (now) items.push(ball(now, 0.022, "--trail", "trail"));
    return items;
  }

  // ---- the moment shown

  let frame = 0;
  let chosen = Number(element("joint").value);
  let playing = false;
  let before = null;  // where the body was, to stay with it

  function middleOf(at) {
    if (bones) return joint(at, 0);
    const known = data.points.map(({ place: which }) => point(at, which)).filter(Boolean);
    return known.length ? [0, 1, 2].map((axis) => known.reduce((sum, p) => sum + p[axis], 0) / known.length) : null;
  }

  // What the page knows of the chosen point at the moment shown.
  function inWords() {
    const deviation = 1000 * sigma(frame, chosen);
    const seen = statusCodes[frame * count + chosen] >> 2;
    const cameras = `seen by ${seen === 0 ? "no camera" : seen === 1 ? "one camera" : `${seen} cameras`}`;
    const known = pointStatus(frame, chosen) === MISSING ? "not there"
      : `${pointStatus(frame, chosen) === GUESSED ? "guessed" : "known"} to ${deviation.toFixed(deviation < 9.95 ? 1 : 0)} mm`;
    return `${pointOf.get(chosen).name} at ${(data.start_s + time[frame]).toFixed(2)} s: ${known}, ${cameras}`;
  }

  function show(wanted) {
    frame = Math.max(0, Math.min(frames - 1, wanted));
    figure.scene.show([...(bones ? body(frame) : []), ...measured(frame), ...others(frame), ...trail(frame)]);
    const now = middleOf(frame);
    if (element("follow").checked && before && now) {
      figure.scene.carry([now[0] - before[0], now[1] - before[1], 0]);
    }
    before = now || before;
    const said = `${(data.start_s + time[frame]).toFixed(2)} s, frame ${frame * data.stride}`;
    element("when").value = frame;
    element("when").setAttribute("aria-valuetext", said);
    element("clock").value = said;
    for (const output of document.querySelectorAll("[data-now]")) output.textContent = inWords();
    document.body.style.setProperty("--now", (frame + 0.5) / frames);
    if (Number(element("span").value)) drawWay();
    else document.body.style.setProperty("--now-window", (frame + 0.5) / frames);
  }

  function play(wanted) {
    playing = wanted;
    element("play").textContent = playing ? "Pause" : "Play";
    element("play").setAttribute("aria-pressed", playing);
    if (!playing) return;
    if (frame >= frames - 1) show(0);
    let moment = time[frame];
    let last = null;
    const tick = (now) => {
      if (!playing) return;
      if (last !== null) moment += ((now - last) / 1000) * Number(element("speed").value);
      last = now;
      if (moment > time[frames - 1]) {
        if (!element("loop").checked) {
          show(frames - 1);
          play(false);
          return;
        }
        moment = 0;
      }
      if (time[frame] > moment || Math.abs(time[frame] - moment) > 1) frame = 0;  // again, or somebody moved it
      let next = frame;
      while (next + 1 < frames && time[next + 1] <= moment) next++;
      show(next);
      requestAnimationFrame(tick);
    };
    seek = (at) => { moment = time[at]; show(at); };
    requestAnimationFrame(tick);
  }
  let seek = show;
  const go = (at) => seek(Math.max(0, Math.min(frames - 1, at)));

  // ---- the way of the chosen point

  const rows = [...document.querySelectorAll("#way [data-row]")];

  function speed(at) {
    if (at < 1 || at > frames - 2) return NaN;
    const [a, b] = [point(at - 1, chosen), point(at + 1, chosen)];
    return a && b ? Math.hypot(...a.map((value, axis) => b[axis] - value)) / (time[at + 1] - time[at - 1]) : NaN;
  }

  function pathOf(values, first, y, wanted) {
    const many = values.length;
    let path = "";
    let pen = false;
    values.forEach((value, i) => {
      const there = Number.isFinite(value) && wanted(first + i);
      if (there) path += `${pen ? "L" : "M"}${((1000 * (i + 0.5)) / many).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = there;
    });
    return path;
  }

  function bandOf(values, deviations, y) {
    const many = values.length;
    let path = "";
    let upper = [];
    let lower = [];
    const close = () => {
      if (upper.length) path += `M${[...upper, ...lower.reverse()].join("L")}z`;
      [upper, lower] = [[], []];
    };
    values.forEach((value, i) => {
      if (!Number.isFinite(value + deviations[i])) return close();
      const x = ((1000 * (i + 0.5)) / many).toFixed(1);
      upper.push(`${x} ${y(value + 2 * deviations[i]).toFixed(1)}`);
      lower.push(`${x} ${y(value - 2 * deviations[i]).toFixed(1)}`);
    });
    close();
    return path;
  }

  function drawWay() {
    const span = Number(element("span").value);
    let [first, last] = [0, frames - 1];
    if (span) {
      const from = Math.max(0, Math.min(time[frame] - span / 2, length - span));
      while (time[first] < from - 1e-4 && first < frames - 2) first++;
      while (time[last] > from + span + 1e-4 && last > first + 1) last--;
    }
    const many = last - first + 1;
    document.body.style.setProperty("--now-window", (frame - first + 0.5) / many);
    element("way").dataset.first = first;
    element("way").dataset.many = many;
    const at = Array.from({ length: many }, (_, i) => first + i);
    const places = at.map((f) => point(f, chosen));
    const deviations = at.map((f) => sigma(f, chosen));
    const marks = (list) => list.filter(([f, which]) => which === chosen && f >= first && f <= last)
      .map(([f]) => `M${((1000 * (f - first + 0.5)) / many).toFixed(1)} 0V100`).join("");
    for (const row of rows) {
      const axis = "xyz".indexOf(row.dataset.row);
      const values = axis >= 0 ? places.map((p) => (p ? p[axis] : NaN)) : at.map(speed);
      const known = values.filter(Number.isFinite);
      let [low, high] = [Math.min(...known), Math.max(...known)];
      if (axis < 0) low = 0;
      const least = axis >= 0 ? 0.1 : 0.5;  // what stands still is not blown up
      const room = Math.max(0.06 * (high - low), (least - (high - low)) / 2);
      if (axis >= 0) low -= room;
      high += room;
      row.querySelector("small").textContent = !known.length ? "not there"
        : axis >= 0 ? `${low.toFixed(2)} to ${high.toFixed(2)} m` : `up to ${high.toFixed(1)} m/s`;
      const y = (value) => 100 - (100 * (value - low)) / (high - low);
      const guessed = (f) => pointStatus(f, chosen) === GUESSED;
      const set = (name, path) => row.querySelector(`.${name}`).setAttribute("d", path);
      set("curve", pathOf(values, first, y, (f) => !guessed(f)));
      set("guessed", pathOf(values, first, y, guessed));
      set("band", axis >= 0 ? bandOf(values, deviations, y) : "");
      set("jumps", marks(data.jumps));
      set("mended", marks(data.mended));
    }
    const digits = time[last] - time[first] > 40 ? 0 : time[last] - time[first] > 4 ? 1 : 2;
    element("way-ticks").replaceChildren(...[0, 0.25, 0.5, 0.75, 1].map((share) => {
      const tick = document.createElement("span");
      tick.textContent = `${(data.start_s + time[first] + share * (time[last] - time[first])).toFixed(digits)} s`;
      return tick;
    }));
  }

  function choose(which) {
    chosen = which;
    for (const select of document.querySelectorAll("select[data-joint]")) select.value = which;
    document.querySelector("[data-chosen]").textContent = pointOf.get(chosen).name;
    drawWay();
    show(frame);
  }

  // ---- what people do

  element("play").addEventListener("click", () => play(!playing));
  element("when").addEventListener("input", (event) => go(Number(event.target.value)));
  element("follow").addEventListener("change", () => show(frame));
  element("span").addEventListener("change", () => { drawWay(); show(frame); });
  for (const select of document.querySelectorAll("select[data-joint]")) {
    select.addEventListener("change", () => choose(Number(select.value)));
  }
  figure.querySelector("canvas").addEventListener("keydown", (event) => {
    const act = { " ": () => play(!playing), ",": () => go(frame - 1), ".": () => go(frame + 1) }[event.key];
    if (!act) return;
    act();
    event.preventDefault();
  });
  for (const chart of document.querySelectorAll(".timed")) {
    chart.addEventListener("click", (event) => {
      const box = chart.getBoundingClientRect();
      const share = Math.max(0, Math.min(0.9999, (event.clientX - box.left) / box.width));
      const way = element("way").dataset;
      if (chart.dataset.rows) {
        const places = chart.dataset.rows.split(",").map(Number);
        choose(places[Math.min(places.length - 1, Math.floor(((event.clientY - box.top) / box.height) * places.length))]);
      }
      go(chart.classList.contains("window") ? Number(way.first) + Math.floor(share * Number(way.many)) : Math.floor(share * frames));
    });
  }
  for (const button of document.querySelectorAll("button.seek")) {
    button.addEventListener("click", () => {
      play(false);
      choose(Number(button.dataset.place));
      go(Number(button.dataset.frame));
      figure.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    });
  }
  choose(chosen);
  show(data.shown);
})();

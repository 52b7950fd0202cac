// Draws a scene of lines, faces, pictures and names in 3D on a plain canvas: sorted by depth, back to front.
// A canvas of two dimensions needs no graphics card, prints sharply, and a few hundred things are drawn in a millisecond.
"use strict";
function showScene(figure) {
  const canvas = figure.querySelector("canvas");
  const scene = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
  const context = canvas.getContext("2d");
  const hidden = new Set(scene.layers.filter((layer) => !layer.on).map((layer) => layer.id));
  const start = { azimuth: scene.azimuth, elevation: 0.62, zoom: 1, target: scene.center.slice() };
  let view = { ...start, target: start.target.slice() };
  let waiting = false;
  let untouched = true;
  let moving = [];  // what is drawn besides the scene, by whoever moves it
  let framed = scene.framed;  // points that the first view holds; without them, everything but the floor

  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];

  function basis() {
    const [ca, sa] = [Math.cos(view.azimuth), Math.sin(view.azimuth)];
    const [ce, se] = [Math.cos(view.elevation), Math.sin(view.elevation)];
    const forward = [-ce * ca, -ce * sa, -se];
    const right = [-sa, ca, 0];
    return { forward, right, up: cross(right, forward) };
  }

  const away = () => (2.9 * scene.radius) / view.zoom;
  const focalLength = () => 1.25 * Math.min(canvas.clientWidth, canvas.clientHeight * 1.25);

  // Comes as near as everything but the floor can be seen from, and puts it into the middle.
  function fit() {
    const points = framed || scene.items.filter((item) => !item.floor).flatMap((item) => item.points);
    Object.assign(view, { zoom: 1, target: scene.center.slice() });
    for (let round = 0; round < 8; round++) {
      const { forward, right, up } = basis();
      const eye = view.target.map((value, i) => value - away() * forward[i]);
      const limits = [Infinity, -Infinity, Infinity, -Infinity];
      for (const p of points) {
        const d = p.map((value, i) => value - eye[i]);
        const scale = focalLength() / Math.max(dot(d, forward), 0.05 * scene.radius);
        const [x, y] = [scale * dot(d, right), scale * dot(d, up)];
        limits[0] = Math.min(limits[0], x);
        limits[1] = Math.max(limits[1], x);
        limits[2] = Math.min(limits[2], y);
        limits[3] = Math.max(limits[3], y);
      }
      const unit = away() / focalLength();
      const [x, y] = [(unit * (limits[0] + limits[1])) / 2, (unit * (limits[2] + limits[3])) / 2];
      view.target = view.target.map((value, i) => value + x * right[i] + y * up[i]);
      const share = Math.max((limits[1] - limits[0]) / canvas.clientWidth, (limits[3] - limits[2]) / canvas.clientHeight);
      view.zoom = Math.max(0.3, Math.min(12, view.zoom * Math.sqrt(0.86 / share)));
    }
  }

  function draw() {
    waiting = false;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !height) return;
    if (untouched) fit();
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.lineJoin = context.lineCap = "round";
    const style = getComputedStyle(figure);
    const colours = new Map();
    const colour = (name) => {
      if (!colours.has(name)) colours.set(name, style.getPropertyValue(name).trim() || "gray");
      return colours.get(name);
    };
    const axes = basis();
    const eye = view.target.map((value, i) => value - away() * axes.forward[i]);
    const focal = focalLength();
    const near = 0.02 * scene.radius;

    const inView = (p) => {
      const d = [p[0] - eye[0], p[1] - eye[1], p[2] - eye[2]];
      return [dot(d, axes.right), dot(d, axes.up), dot(d, axes.forward)];
    };
    const onScreen = (v) => [width / 2 + (focal * v[0]) / v[2], height / 2 - (focal * v[1]) / v[2]];
    const between = (a, b) => {  // where the line from a to b comes through the near plane
      const share = (near - a[2]) / (b[2] - a[2]);
      return a.map((value, i) => value + share * (b[i] - value));
    };
    const clipped = (points, closed) => {  // Sutherland and Hodgman, against the near plane only
      const kept = [];
      points.forEach((point, i) => {
        const before = points[i - 1] || (closed ? points[points.length - 1] : null);
        if (before && before[2] < near !== point[2] < near) kept.push(between(before, point));
        if (point[2] >= near) kept.push(point);
      });
      return kept;
    };

    const inPairs = (points) => Array.from({ length: points.length / 2 }, (_, i) => points.slice(2 * i, 2 * i + 2));

    const things = [...scene.items, ...moving]
      .filter((item) => !hidden.has(item.layer))
      .map((item) => {
        const points = item.points.map(inView);
        const depth = points.reduce((sum, p) => sum + p[2], 0) / points.length;
        // The floor is under everything when seen from above, and over everything when seen from below.
        return { item, points, depth: item.floor ? Infinity * (eye[2] >= 0 ? 1 : -1) : depth };
      });
    things.sort((a, b) => (a.item.kind === "text") - (b.item.kind === "text") || b.depth - a.depth);
    for (const { item, points } of things) {
      if (item.kind === "text") {
        if (points[0][2] < near) continue;
        const [x, y] = onScreen(points[0]);
        context.font = "600 13px system-ui, sans-serif";
        context.textAlign = "center";
        context.lineWidth = 4;
        context.strokeStyle = colour("--card");
        context.strokeText(item.text, x, y - 7);
        context.fillStyle = colour(item.colour);
        context.fillText(item.text, x, y - 7);
      } else if (item.kind === "ball") {
        if (points[0][2] < near) continue;
        const [x, y] = onScreen(points[0]);
        context.globalAlpha = item.opacity;
        context.beginPath();
        context.arc(x, y, Math.max(1.5, (focal * item.radius_m) / points[0][2]), 0, 2 * Math.PI);
        context.fillStyle = colour(item.colour);
        context.fill();
        context.globalAlpha = 1;
      } else if (item.kind === "picture") {
        if (points.every((p) => p[2] >= near)) drawPicture(item, points, onScreen);
      } else {
        context.beginPath();
        for (const part of item.pairs ? inPairs(points) : [points]) {  // pairs: many lines in one stroke
          clipped(part, item.kind === "face").map(onScreen)
            .forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
        }
        if (item.kind === "face") {
          context.globalAlpha = item.opacity;
          context.fillStyle = colour(item.colour);
          context.fill();
          context.globalAlpha = 1;
        } else {
          const depth = Math.max(points[0][2], near);
          const width = item.width_m ? Math.max(2, (focal * item.width_m) / depth) : item.width;
          if (item.rim) {  // limbs that cross stay apart
            context.lineWidth = width + 2.5;
            context.strokeStyle = colour("--card");
            context.stroke();
          }
          context.globalAlpha = item.opacity ?? 1;
          context.lineWidth = width;
          context.setLineDash(item.dashed ? [width, 2 * width] : []);
          context.strokeStyle = colour(item.colour);
          context.stroke();
          context.setLineDash([]);
          context.globalAlpha = 1;
        }
      }
    }
    canvas.dataset.drawn = things.length;
  }

  // A picture in perspective: in small cells, in each of which the mapping is as good as affine.
  function drawPicture(item, corners, onScreen) {
    const image = document.getElementById(item.image);
    const source = image && image.bitmap;
    if (!source) return;
    const cells = 8;
    const mix = (a, b, s) => a.map((value, i) => value + s * (b[i] - value));
    const at = (u, v) => onScreen(mix(mix(corners[0], corners[1], u), mix(corners[3], corners[2], u), v));
    const [w, h] = [source.naturalWidth / cells, source.naturalHeight / cells];
    for (let row = 0; row < cells; row++) {
      for (let column = 0; column < cells; column++) {
        const [a, b, c, d] = [[0, 0], [1, 0], [1, 1], [0, 1]].map(([x, y]) => at((column + x) / cells, (row + y) / cells));
        const size = Math.abs((c[0] - a[0]) * (d[1] - b[1]) - (c[1] - a[1]) * (d[0] - b[0]));
        if (size < 0.5) continue;
        const middle = [(a[0] + b[0] + c[0] + d[0]) / 4, (a[1] + b[1] + c[1] + d[1]) / 4];
        context.save();
        context.beginPath();
        [a, b, c, d].forEach(([x, y], i) => {  // a little larger, so that no seam is left between cells
          const length = Math.hypot(x - middle[0], y - middle[1]) || 1;
          const [px, py] = [x, y].map((value, k) => value + (0.8 * (value - middle[k])) / length);
          if (i) context.lineTo(px, py);
          else context.moveTo(px, py);
        });
        context.closePath();
        context.clip();
        context.transform((b[0] - a[0]) / w, (b[1] - a[1]) / w, (d[0] - a[0]) / h, (d[1] - a[1]) / h, a[0], a[1]);
        const [sx, sy] = [Math.max(0, column * w - 2), Math.max(0, row * h - 2)];
        const [sw, sh] = [Math.min(source.naturalWidth - sx, w + 4), Math.min(source.naturalHeight - sy, h + 4)];
        context.drawImage(source, sx, sy, sw, sh, sx - column * w, sy - row * h, sw, sh);
        context.restore();
      }
    }
  }

  function redraw() {
    if (!waiting) requestAnimationFrame(draw);
    waiting = true;
  }

  function turn(dx, dy) {
    untouched = false;
    view.azimuth -= dx * 0.008;
    view.elevation = Math.max(-1.2, Math.min(1.55, view.elevation + dy * 0.008));
    redraw();
  }

  function move(dx, dy) {
    untouched = false;
    const { right, up } = basis();
    const unit = away() / focalLength();
    view.target = view.target.map((value, i) => value - unit * (dx * right[i] - dy * up[i]));
    redraw();
  }

  function zoom(factor) {
    untouched = false;
    view.zoom = Math.max(0.3, Math.min(12, view.zoom * factor));
    redraw();
  }

  function seenFrom(place, points = scene.framed) {
    framed = points;
    view = { ...place, target: scene.center.slice() };
    untouched = true;
    redraw();
  }

  const fingers = new Map();
  canvas.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const last = fingers.get(event.pointerId);
    if (!last) return;
    const now = [event.clientX, event.clientY];
    const [dx, dy] = [now[0] - last[0], now[1] - last[1]];
    if (fingers.size === 2) {
      const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
      zoom(Math.hypot(now[0] - other[0], now[1] - other[1]) / Math.max(1, Math.hypot(last[0] - other[0], last[1] - other[1])));
      move(dx / 2, dy / 2);
    } else if (event.shiftKey || event.buttons & 6) move(dx, dy);
    else turn(dx, dy);
    fingers.set(event.pointerId, now);
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => fingers.delete(event.pointerId));
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("wheel", (event) => {
    // The page scrolls past the scene until the scene was clicked.
    if (document.activeElement !== canvas && !event.ctrlKey) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * 0.0015));
  }, { passive: false });
  const keys = {
    ArrowLeft: () => turn(-15, 0), ArrowRight: () => turn(15, 0), ArrowUp: () => turn(0, 15), ArrowDown: () => turn(0, -15),
    "+": () => zoom(1.2), "-": () => zoom(1 / 1.2),
  };
  canvas.addEventListener("keydown", (event) => {
    if (keys[event.key]) { keys[event.key](); event.preventDefault(); }
  });
  const actions = {
    in: () => zoom(1.25), out: () => zoom(0.8),
    above: () => seenFrom({ ...start, azimuth: -Math.PI / 2, elevation: 1.55 }),
    reset: () => seenFrom(start),
    whole: () => seenFrom(start, null),
  };
  for (const button of figure.querySelectorAll("button[data-do]")) {
    button.addEventListener("click", () => actions[button.dataset.do]());
  }
  for (const box of figure.querySelectorAll("input[data-layer]")) {
    box.checked = !hidden.has(box.dataset.layer);
    box.addEventListener("change", () => { hidden[box.checked ? "delete" : "add"](box.dataset.layer); redraw(); });
  }
  for (const name of new Set(scene.items.filter((item) => item.kind === "picture").map((item) => item.image))) {
    const element = document.getElementById(name);
    if (!element) continue;
    const bitmap = new Image();
    bitmap.onload = () => { element.bitmap = bitmap; redraw(); };
    bitmap.src = element.getAttribute("href");
  }
  new ResizeObserver(redraw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  for (const event of ["beforeprint", "afterprint"]) window.addEventListener(event, draw);
  matchMedia("print").addEventListener("change", draw);  // by now the colours are those of paper
  draw();

  figure.scene = {
    show(items) {
      moving = items;
      redraw();
    },
    carry(step) {  // moves the view along, in metres
      untouched = false;
      view.target = view.target.map((value, i) => value + step[i]);
      redraw();
    },
  };
}
document.querySelectorAll("figure.scene").forEach(showScene);

// Lines between the pixels of different labels, with corners cut at 45 degrees so that they look drawn, not stepped.

// `grid` holds a label a pixel; `pathOf(a, b, c, d)` says on which path the line between four neighbours goes.
function traceBorders(grid, width, height, pathOf) {
  for (let y = 0; y < height - 1; y++) {
    let index = y * width;
    for (let x = 0; x < width - 1; x++, index++) {
      const a = grid[index];
      const b = grid[index + 1];
      const c = grid[index + width];
      const d = grid[index + width + 1];
      if (a === b && c === d && a === c) continue;
      traceCorner(pathOf(a, b, c, d), x + 1, y + 1, a !== b, b !== d, c !== d, a !== c);
    }
  }
}

// Joins the middles of those of the four pixel sides around (x, y) that are borders.
function traceCorner(path, x, y, top, right, bottom, left) {
  if (top + right + bottom + left === 2) {
    let begun = false;
    const go = (px, py) => {
      if (begun) path.lineTo(px, py);
      else path.moveTo(px, py);
      begun = true;
    };
    if (top) go(x, y - 0.5);
    if (right) go(x + 0.5, y);
    if (bottom) go(x, y + 0.5);
    if (left) go(x - 0.5, y);
    return;
  }
  if (top) path.moveTo(x, y), path.lineTo(x, y - 0.5);
  if (right) path.moveTo(x, y), path.lineTo(x + 0.5, y);
  if (bottom) path.moveTo(x, y), path.lineTo(x, y + 0.5);
  if (left) path.moveTo(x, y), path.lineTo(x - 0.5, y);
}

// The outline of one mask and its shape as a canvas, both kept for the next time they are asked for.
class Shapes {
  constructor(layer) {
    this.layer = layer;
    this.known = new Map();
  }

  of(mask) {
    if (!this.known.has(mask)) {
      if (this.known.size > 120) this.known.clear();
      this.known.set(mask, this.traced(mask));
    }
    return this.known.get(mask);
  }

  traced(mask) {
    const { left, top, right, bottom } = this.layer.box(mask);
    const [width, height] = [right - left, bottom - top];
    const grid = new Uint8Array((width + 2) * (height + 2));
    const stencil = new OffscreenCanvas(Math.max(1, width), Math.max(1, height));
    const context = stencil.getContext("2d");
    const image = context.createImageData(stencil.width, stencil.height);
    const opaque = new Uint32Array(image.data.buffer);
    for (let run = this.layer.first[mask]; run < this.layer.first[mask + 1]; run++) {
      const row = Math.floor(this.layer.starts[run] / this.layer.width);
      const from = this.layer.starts[run] - row * this.layer.width - left;
      const to = from + this.layer.ends[run] - this.layer.starts[run];
      const padded = (row - top + 1) * (width + 2) + 1;
      grid.fill(1, padded + from, padded + to);
      opaque.fill(0xff000000, (row - top) * width + from, (row - top) * width + to);
    }
    context.putImageData(image, 0, 0);
    const traced = new Path2D();
    traceBorders(grid, width + 2, height + 2, () => traced);
    const outline = new Path2D();
    outline.addPath(traced, new DOMMatrix([1, 0, 0, 1, left - 1, top - 1]));
    return { outline, stencil, left, top, width, height };
  }
}

// The photo inside one mask, fitted into a canvas of `side` CSS pixels.
function drawCutout(canvas, photo, shape, side) {
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  canvas.width = canvas.height = Math.round(side * ratio);
  const context = canvas.getContext("2d");
  const scale = Math.min(6, (canvas.width * 0.9) / Math.max(shape.width, shape.height));
  const [width, height] = [shape.width * scale, shape.height * scale];
  const [left, top] = [(canvas.width - width) / 2, (canvas.height - height) / 2];
  context.drawImage(shape.stencil, left, top, width, height);
  context.globalCompositeOperation = "source-in";
  const { across, down } = photo;
  context.drawImage(photo.image, shape.left * across, shape.top * down, shape.width * across, shape.height * down, left, top, width, height);
}

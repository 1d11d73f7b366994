// One photo under one mask set: the tint, the contours and the outlines of what is pointed at.

const MODES = [
  { name: "Colours", hint: "each mask in a colour of its own", tint: 0.58, contours: 1 },
  { name: "Mosaic", hint: "each mask in its mean colour", tint: 1, contours: 0.2, mean: true },
  { name: "Outlines", hint: "the photo with the borders of the masks", tint: 0, contours: 1 },
  { name: "Photo", hint: "the photo alone", tint: 0, contours: 0 },
];
const CONTOUR_STRENGTHS = [0.28, 0.55, 0.95];

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

class Pane {
  constructor(photo, layer) {
    this.photo = photo;
    this.layer = layer;
    this.shapes = new Shapes(layer);
    this.labels = new Int32Array(layer.width * layer.height);
    this.visible = 0;
    this.tint = element("canvas", { className: "tint", width: layer.width, height: layer.height });
    this.lines = element("canvas", { className: "lines" });
    this.focus = element("canvas", { className: "focus" });
    this.stage = element("div", { className: "stage", tabIndex: 0 }, this.tint, this.lines, this.focus);
    this.stage.setAttribute("role", "img");
    this.stage.style.setProperty("--ratio", layer.width / layer.height);
    const shown = element("img", { src: photo.src, alt: "", draggable: false });
    this.stage.prepend(shown);
    this.caption = element("figcaption");
    this.root = element("figure", { className: "pane" }, this.caption, this.stage);
    this.tintContext = this.tint.getContext("2d");
    this.image = this.tintContext.createImageData(layer.width, layer.height);
    this.strength = Uint8Array.from(layer.pixels, (pixels) => {
      const side = Math.sqrt(pixels / this.labels.length);
      return side > 0.16 ? 2 : side > 0.05 ? 1 : 0;
    });
  }

  // Fits the drawing canvases to the stage; true when their size changed.
  fit() {
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const width = Math.max(1, Math.round(this.stage.clientWidth * ratio));
    const height = Math.max(1, Math.round(this.stage.clientHeight * ratio));
    if (this.lines.width === width && this.lines.height === height) return false;
    for (const canvas of [this.lines, this.focus]) Object.assign(canvas, { width, height });
    this.pixelRatio = ratio;
    return true;
  }

  drawPartition(granularity, mode) {
    this.layer.partition(granularity, this.labels);
    this.drawTint(mode);
    this.drawLines(mode);
    this.caption.textContent = `${this.layer.name} · ${counted(this.visible, "region")}`;
    this.stage.setAttribute("aria-label", `${this.photo.title}: ${counted(this.visible, "region")} of ${this.layer.name}`);
  }

  drawTint(mode) {
    const { labels, layer, image } = this;
    const pixels = new Uint32Array(image.data.buffer);
    const seen = new Uint32Array(layer.count + 1);
    for (let i = 0; i < labels.length; i++) seen[labels[i] + 1]++;
    const palette = mode.mean ? this.meanColours(seen) : this.maskColours(mode.tint);
    for (let i = 0; i < labels.length; i++) pixels[i] = palette[labels[i] + 1];
    this.visible = 0;
    for (let mask = 1; mask <= layer.count; mask++) if (seen[mask]) this.visible++;
    this.tintContext.putImageData(image, 0, 0);
  }

  maskColours(tint) {
    const { colours, count } = this.layer;
    const palette = new Uint32Array(count + 1);
    const alpha = Math.round(tint * 255);
    palette[0] = (Math.round(tint * 90) << 24) | 0x100c0a;
    for (let mask = 0; mask < count; mask++) {
      palette[mask + 1] = (alpha << 24) | (colours[3 * mask + 2] << 16) | (colours[3 * mask + 1] << 8) | colours[3 * mask];
    }
    return palette;
  }

  meanColours(seen) {
    const photo = this.photo.pixels();
    const sums = new Float64Array(3 * seen.length);
    for (let i = 0, at = 0; i < this.labels.length; i++, at += 4) {
      const slot = 3 * (this.labels[i] + 1);
      sums[slot] += photo[at];
      sums[slot + 1] += photo[at + 1];
      sums[slot + 2] += photo[at + 2];
    }
    const palette = new Uint32Array(seen.length);
    for (let slot = 1; slot < seen.length; slot++) {
      const [red, green, blue] = [0, 1, 2].map((channel) => sums[3 * slot + channel] / (seen[slot] || 1));
      palette[slot] = 0xff000000 | (blue << 16) | (green << 8) | red;
    }
    return palette;
  }

  drawLines(mode) {
    const context = this.lines.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.lines.width, this.lines.height);
    if (!mode.contours) return;
    const paths = CONTOUR_STRENGTHS.map(() => new Path2D());
    const { strength } = this;
    const of = (label) => (label < 0 ? 2 : strength[label]);
    traceBorders(this.labels, this.layer.width, this.layer.height, (a, b, c, d) => paths[Math.min(of(a), of(b), of(c), of(d))]);
    const scale = this.scaleContext(context);
    paths.forEach((path, rank) => {
      context.strokeStyle = `rgb(255 255 255 / ${CONTOUR_STRENGTHS[rank] * mode.contours})`;
      context.lineWidth = ((0.7 + 0.25 * rank) * this.pixelRatio) / scale;
      context.stroke(path);
    });
  }

  scaleContext(context) {
    const scale = this.lines.width / this.layer.width;
    context.setTransform(scale, 0, 0, this.lines.height / this.layer.height, 0, 0);
    context.lineJoin = context.lineCap = "round";
    return scale;
  }

  // The mask itself in the photo's own colours, its parents as outlines; all else steps back when it is pinned.
  drawFocus(mask, pinned) {
    const context = this.focus.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.focus.width, this.focus.height);
    if (mask < 0) return;
    if (pinned) {
      context.fillStyle = "rgb(9 10 14 / 0.5)";
      context.fillRect(0, 0, this.focus.width, this.focus.height);
    }
    const scale = this.scaleContext(context);
    this.drawInside(context, this.shapes.of(mask));
    const path = this.layer.chain(mask);
    for (const parent of path.slice(0, -1)) this.strokeOutline(context, parent, scale, 1.4, this.colour(parent), [5, 3]);
    this.strokeOutline(context, mask, scale, 2.2, "#fff", []);
  }

  drawInside(context, shape) {
    const cut = new OffscreenCanvas(Math.max(1, shape.width * 2), Math.max(1, shape.height * 2));
    const inside = cut.getContext("2d");
    inside.drawImage(shape.stencil, 0, 0, cut.width, cut.height);
    inside.globalCompositeOperation = "source-in";
    const { across, down } = this.photo;
    inside.drawImage(this.photo.image, shape.left * across, shape.top * down, shape.width * across, shape.height * down, 0, 0, cut.width, cut.height);
    context.drawImage(cut, shape.left, shape.top, shape.width, shape.height);
  }

  strokeOutline(context, mask, scale, width, colour, dashes) {
    const { outline } = this.shapes.of(mask);
    const unit = this.pixelRatio / scale;
    context.setLineDash([]);
    context.strokeStyle = "rgb(0 0 0 / 0.55)";
    context.lineWidth = (width + 2.2) * unit;
    context.stroke(outline);
    context.setLineDash(dashes.map((dash) => dash * unit));
    context.strokeStyle = colour;
    context.lineWidth = width * unit;
    context.stroke(outline);
  }

  colour(mask) {
    const { colours } = this.layer;
    return `rgb(${colours[3 * mask]} ${colours[3 * mask + 1]} ${colours[3 * mask + 2]})`;
  }

  pixelAt(event) {
    const frame = this.stage.getBoundingClientRect();
    const x = Math.floor(((event.clientX - frame.left) / frame.width) * this.layer.width);
    const y = Math.floor(((event.clientY - frame.top) / frame.height) * this.layer.height);
    if (x < 0 || y < 0 || x >= this.layer.width || y >= this.layer.height) return -1;
    return y * this.layer.width + x;
  }
}

const whole = new Intl.NumberFormat("en");

function counted(number, noun) {
  return `${whole.format(number)} ${noun}${number === 1 ? "" : "s"}`;
}

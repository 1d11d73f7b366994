// What is shown and how it changes: the photo, the mask sets, the granularity, and the mask that is pointed at or pinned.

const STEPS = 1000;
const KEY_STEP = 25;
const START = 420;
const PLAY_MS = 7000;

class Photo {
  static async unpacked(data, index) {
    const photo = new Photo();
    Object.assign(photo, index);
    photo.title = index.name;
    photo.src = data.image;
    photo.image = new Image();
    photo.image.src = data.image;
    await photo.image.decode();
    photo.width = data.width;
    photo.height = data.height;
    photo.across = photo.image.naturalWidth / data.width;
    photo.down = photo.image.naturalHeight / data.height;
    photo.sets = await Promise.all(data.layers.map((layer) => Layer.unpacked(layer, data.width, data.height)));
    photo.scale = granularityScale(photo.sets, STEPS);
    return photo;
  }

  // The photo's RGBA bytes at the size of the masks.
  pixels() {
    if (!this.bytes) {
      const canvas = new OffscreenCanvas(this.width, this.height);
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(this.image, 0, 0, this.width, this.height);
      this.bytes = context.getImageData(0, 0, this.width, this.height).data;
    }
    return this.bytes;
  }
}

class Viewer {
  constructor(page) {
    this.page = page;
    this.inspector = new Inspector(page.maskCard, page.photoCard, (pane, mask) => this.choose(pane, mask));
    this.panes = [];
    this.mode = MODES[0];
    this.chosenLayer = page.report.shown;
    this.position = START;
    this.pointer = null;
    this.pin = null;
    this.sizes = new ResizeObserver(() => this.resized());
    this.dirty = { partition: false, focus: false };
  }

  async show(photo) {
    this.photo = photo;
    this.stop();
    this.pin = this.pointer = null;
    const names = photo.sets.map((set) => set.name);
    if (!names.includes(this.chosenLayer) && this.chosenLayer !== SIDE_BY_SIDE) this.chosenLayer = names.at(-1) ?? null;
    if (this.chosenLayer === SIDE_BY_SIDE && names.length < 2) this.chosenLayer = names.at(-1) ?? null;
    this.openPanes();
    this.moveTo(this.position);
  }

  openPanes() {
    const sets = this.photo.sets.filter((set) => this.chosenLayer === SIDE_BY_SIDE || set.name === this.chosenLayer);
    this.sizes.disconnect();
    this.panes = sets.map((set) => new Pane(this.photo, set));
    this.page.panes.replaceChildren(...this.panes.map((pane) => pane.root));
    this.page.panes.dataset.count = this.panes.length;
    find("viewer").classList.toggle("beside", this.panes.length > 1);
    for (const pane of this.panes) {
      this.listen(pane);
      pane.fit();
      this.sizes.observe(pane.stage);
    }
    this.page.fillLayers(this.photo, this.chosenLayer);
    this.inspector.showPhoto(this.photo, this.panes.at(-1));
    this.schedule("partition", "focus");
  }

  listen(pane) {
    const { stage } = pane;
    stage.addEventListener("pointermove", (event) => this.pointAt(pane, pane.pixelAt(event)));
    stage.addEventListener("pointerleave", () => this.pointAt(null, -1));
    stage.addEventListener("pointercancel", () => this.pointAt(null, -1));
    stage.addEventListener("click", (event) => this.togglePin(pane, pane.pixelAt(event)));
  }

  chooseLayer(name) {
    this.chosenLayer = name;
    this.pin = this.pointer = null;
    this.openPanes();
  }

  chooseMode(mode) {
    this.mode = mode;
    this.schedule("partition");
  }

  // Moves the slider; a pinned place then holds the mask that it has at the new granularity.
  moveTo(position) {
    this.position = Math.max(0, Math.min(STEPS, Math.round(position)));
    this.granularity = this.photo.scale[this.position];
    if (this.pin) this.pin.follows = true;
    this.schedule("partition", "focus");
  }

  pointAt(pane, pixel) {
    this.pointer = pane && pixel >= 0 ? { pane, pixel } : null;
    this.schedule("focus");
  }

  togglePin(pane, pixel) {
    const mask = pixel < 0 ? NOTHING : pane.labels[pixel];
    const again = this.pin && this.pin.pane === pane && this.pin.mask === mask;
    this.pin = mask < 0 || again ? null : { pane, pixel, mask };
    this.schedule("focus");
  }

  letGo() {
    this.pin = null;
    this.schedule("focus");
  }

  // Pins a mask by name and moves the slider to where it is on top.
  choose(pane, mask) {
    const held = this.pin ?? this.pointer;
    const pixel = held && pane.layer.contains(mask, held.pixel) ? held.pixel : pane.layer.innerPixel(mask);
    this.granularity = pane.layer.granularity[mask];
    this.position = Math.max(0, this.photo.scale.findIndex((value) => value >= this.granularity));
    this.pin = { pane, pixel, mask };
    this.schedule("partition", "focus");
  }

  climb(direction) {
    const { pane, mask } = this.focused();
    if (mask < 0) return false;
    const { layer } = pane;
    const held = this.pin ?? this.pointer;
    const parts = layer.children[mask];
    const next = direction > 0 ? layer.parent[mask] : (parts.find((part) => layer.contains(part, held.pixel)) ?? parts[0] ?? NOTHING);
    if (next >= 0) this.choose(pane, next);
    else if (!this.pin) this.choose(pane, mask);
    return true;
  }

  // The mask that the panel speaks of: the pinned one, else the one under the pointer.
  focused() {
    if (this.pin) return this.pin;
    if (!this.pointer) return { pane: null, mask: NOTHING };
    return { pane: this.pointer.pane, mask: this.pointer.pane.labels[this.pointer.pixel] };
  }

  schedule(...parts) {
    for (const part of parts) this.dirty[part] = true;
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  resized() {
    const changed = this.panes.map((pane) => pane.fit());
    if (changed.some(Boolean)) this.schedule("partition", "focus");
  }

  draw() {
    this.frame = null;
    const started = performance.now();
    if (this.dirty.partition) {
      for (const pane of this.panes) pane.drawPartition(this.granularity, this.mode);
      this.page.tell(this);
    }
    if (this.pin?.follows) {
      this.pin.follows = false;
      const mask = this.pin.pane.labels[this.pin.pixel];
      if (mask >= 0) this.pin.mask = mask;
    }
    this.drawFocus();
    this.dirty = { partition: false, focus: false };
    this.page.root.dataset.drawMs = (performance.now() - started).toFixed(1);
  }

  drawFocus() {
    const { pane: focusedPane, mask } = this.focused();
    const held = this.pin ?? this.pointer;
    for (const pane of this.panes) {
      const shown = pane === focusedPane ? mask : held ? pane.labels[held.pixel] : NOTHING;
      pane.drawFocus(shown, Boolean(this.pin));
    }
    const key = `${focusedPane?.layer.name} ${mask} ${Boolean(this.pin)}`;
    if (key === this.told && this.toldPane === focusedPane) return;
    this.told = key;
    this.toldPane = focusedPane;
    this.inspector.showMask(focusedPane, mask, Boolean(this.pin));
    if (this.pin) this.page.say(this.pin);
  }

  play() {
    if (this.playing) return this.stop();
    if (this.position >= STEPS) this.moveTo(0);
    return this.glide(this.position, STEPS, PLAY_MS * (1 - this.position / STEPS));
  }

  glide(from, to, duration) {
    const begun = performance.now();
    const step = (now) => {
      const share = Math.min(1, Math.max(0, now - begun) / duration);
      this.moveTo(from + (to - from) * share);
      this.playing = share < 1 ? requestAnimationFrame(step) : null;
      this.page.tellPlaying(Boolean(this.playing));
    };
    this.playing = requestAnimationFrame(step);
    this.page.tellPlaying(true);
  }

  stop() {
    if (this.playing) cancelAnimationFrame(this.playing);
    this.playing = null;
    this.page.tellPlaying(false);
  }
}

// The page around the viewer: figures, table, gallery, buttons, slider and keys. Everything is text, never markup.

const SIDE_BY_SIDE = Symbol("side by side");
const find = (id) => document.getElementById(id);
const parsed = (id) => JSON.parse(find(id).textContent);
const stillness = matchMedia("(prefers-reduced-motion: reduce)");

class Page {
  constructor(report) {
    this.report = report;
    this.root = document.documentElement;
    this.panes = find("panes");
    this.maskCard = find("mask-card");
    this.photoCard = find("photo-card");
    this.slider = find("slider");
    this.fillFigures();
    this.fillTable();
    this.fillCredits();
    this.viewer = new Viewer(this);
    find("nothing").hidden = report.photos.length > 0;
    find("viewer").hidden = report.photos.length === 0;
  }

  async start() {
    if (!this.report.photos.length) return;
    this.fillGallery();
    this.fillModes();
    this.listen();
    await this.open(0);
    if (!stillness.matches) this.viewer.glide(0, START, 1600);
  }

  async open(index) {
    const { photos } = this.report;
    this.current = (index + photos.length) % photos.length;
    const wanted = this.current;
    const photo = await Photo.unpacked(parsed(`photo-${wanted}`), photos[wanted]);
    if (wanted !== this.current) return;
    [...find("gallery").children].forEach((button, place) => {
      if (place === wanted) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    });
    await this.viewer.show(photo);
    this.root.dataset.ready = String(wanted);
  }

  fillFigures() {
    for (const [name, value] of this.report.figures) {
      find("figures").append(element("div", {}, element("dt", { textContent: name }), element("dd", { textContent: value })));
    }
  }

  fillTable() {
    const { table } = this.report;
    if (!table.rows.length) return;
    find("run").hidden = false;
    const head = element("tr");
    table.columns.forEach((name, place) => {
      const number = table.rows.some((cells) => cells[place].number);
      head.append(element("th", { scope: "col", textContent: name, className: number ? "number" : "" }));
    });
    const body = element("tbody");
    for (const cells of table.rows) {
      const row = element("tr");
      cells.forEach((cell, place) => {
        const made = element(place ? "td" : "th", { textContent: cell.text });
        if (!place) made.scope = "row";
        if (cell.number) made.className = "number";
        row.append(made);
      });
      body.append(row);
    }
    find("run-table").append(element("thead", {}, head), body);
  }

  fillCredits() {
    const credited = this.report.photos.filter((photo) => photo.credit);
    find("credits").hidden = !credited.length;
    for (const photo of credited) {
      find("credits").querySelector("ul").append(element("li", {}, element("b", { textContent: photo.name }), ` ${photo.credit}`));
    }
  }

  fillGallery() {
    this.report.photos.forEach((photo, index) => {
      const picture = element("img", { src: photo.thumbnail, alt: "", draggable: false });
      const name = element("span", { className: "name", textContent: photo.name });
      const most = Math.max(0, ...photo.layers.map((layer) => layer.count));
      const count = element("span", { className: "quiet", textContent: counted(most, "mask") });
      const button = element("button", { type: "button" }, picture, element("span", { className: "label" }, name, count));
      button.addEventListener("click", () => this.open(index));
      find("gallery").append(button);
    });
  }

  fillModes() {
    for (const mode of MODES) {
      const button = element("button", { type: "button", textContent: mode.name, title: mode.hint });
      button.setAttribute("aria-pressed", String(mode === this.viewer.mode));
      button.addEventListener("click", () => {
        for (const other of find("modes").children) other.setAttribute("aria-pressed", String(other === button));
        this.viewer.chooseMode(mode);
      });
      find("modes").append(button);
    }
  }

  fillLayers(photo, chosen) {
    const names = photo.sets.map((set) => set.name);
    const options = names.length > 1 ? [...names, SIDE_BY_SIDE] : names;
    const buttons = options.map((option) => {
      const button = element("button", { type: "button", textContent: option === SIDE_BY_SIDE ? "Side by side" : option });
      button.setAttribute("aria-pressed", String(option === chosen));
      button.addEventListener("click", () => this.viewer.chooseLayer(option));
      return button;
    });
    find("layers").replaceChildren(...buttons);
  }

  listen() {
    const { viewer, slider } = this;
    slider.addEventListener("input", () => {
      viewer.stop();
      viewer.moveTo(slider.valueAsNumber);
    });
    find("play").addEventListener("click", () => viewer.play());
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest(".scroller, summary")) return;
      if (this.pressed(event.key, event.shiftKey ? 4 : 1)) event.preventDefault();
    });
    new ResizeObserver(() => this.drawRuler()).observe(find("ruler"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.drawRuler());
  }

  // True when the key meant something here.
  pressed(key, times) {
    const { viewer } = this;
    if (key === "ArrowLeft" || key === "ArrowRight") {
      viewer.stop();
      viewer.moveTo(viewer.position + (key === "ArrowLeft" ? -1 : 1) * KEY_STEP * times);
      return true;
    }
    if (key === "ArrowUp" || key === "ArrowDown") {
      viewer.stop();
      return viewer.climb(key === "ArrowUp" ? 1 : -1) || document.activeElement === this.slider;
    }
    if (key === "Escape") viewer.letGo();
    else if (key === "n" || key === "p") this.open(this.current + (key === "n" ? 1 : -1));
    else return false;
    return true;
  }

  tell(viewer) {
    this.slider.value = viewer.position;
    this.slider.style.setProperty("--at", viewer.position / STEPS);
    const counts = viewer.panes.map((pane) => pane.visible);
    const regions = counts.length === 1 ? counted(counts[0], "region") : counts.length ? `${counts.join(" | ")} regions` : "";
    const text = [`granularity ${viewer.granularity.toFixed(2)}`, regions].filter(Boolean).join(" · ");
    find("readout").textContent = text;
    this.slider.setAttribute("aria-valuetext", text);
    this.slider.dataset.granularity = viewer.granularity;
    this.drawRuler();
  }

  tellPlaying(playing) {
    const label = playing ? "Stop" : "Play from fine to coarse";
    find("play").setAttribute("aria-pressed", String(playing));
    find("play").setAttribute("aria-label", label);
  }

  say({ pane, mask }) {
    const { layer } = pane;
    const share = ((100 * layer.pixels[mask]) / (layer.width * layer.height)).toFixed(1);
    const parents = counted(layer.chain(mask).length - 1, "parent");
    find("spoken").textContent = `Mask ${mask + 1}, ${share} % of the photo, ${parents}, ${counted(layer.children[mask].length, "part")}`;
  }

  // The slider's track is itself a partition: slivers at the fine end, blocks at the coarse end.
  drawRuler() {
    const canvas = find("ruler");
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((side) => Math.max(1, Math.round(side * ratio)));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    const reached = (this.slider.valueAsNumber / STEPS) * width;
    const style = getComputedStyle(this.root);
    const [ink, faint] = [style.getPropertyValue("--ink"), style.getPropertyValue("--line-strong")];
    const growth = 1.085;
    const blocks = Math.max(8, Math.round(Math.log(1 + (width * (growth - 1)) / (2.2 * ratio)) / Math.log(growth)));
    const edge = (block) => (width + 1.5 * ratio) * ((growth ** block - 1) / (growth ** blocks - 1));
    for (let block = 0; block < blocks; block++) {
      context.fillStyle = (edge(block) + edge(block + 1)) / 2 <= reached ? ink : faint;
      context.fillRect(edge(block), 0, Math.max(ratio, edge(block + 1) - edge(block) - 1.5 * ratio), height);
    }
  }
}

new Page(parsed("report")).start();

// The panel that tells everything about one mask: its numbers, its chain of parents and its parts.

const MOST_PARTS = 12;
const MOST_BEST = 15;
const WHOLE_PHOTO = 0.9;

class Inspector {
  constructor(card, photoCard, onChoose) {
    this.card = card;
    this.photoCard = photoCard;
    this.onChoose = onChoose;
  }

  showPhoto(photo, pane) {
    const list = element("dl", { className: "facts" });
    for (const { name, count, hidden } of photo.layers) {
      list.append(element("dt", { textContent: name }), element("dd", { textContent: counted(count, "mask") }));
      if (hidden) list.append(element("dt"), element("dd", { className: "quiet", textContent: `${counted(hidden, "mask")} too small for this page` }));
    }
    const notes = photo.notes.map((note) => element("p", { className: "quiet", textContent: note }));
    const credit = photo.credit ? [element("p", { className: "quiet", textContent: photo.credit })] : [];
    const hint = element("p", { className: "hint", textContent: "Point at the photo to see a mask and what it is part of." });
    this.photoCard.replaceChildren(element("h2", { textContent: photo.name }), list, ...notes, ...credit, hint);
    if (pane?.layer.count) this.photoCard.append(this.family(`Best of ${pane.layer.name}`, "Masks of the highest score", pane, this.best(pane.layer), NOTHING));
  }

  best(layer) {
    const most = WHOLE_PHOTO * layer.width * layer.height;
    const masks = layer.largestFirst.filter((mask) => layer.pixels[mask] < most);
    return masks.sort((a, b) => layer.score[b] - layer.score[a]).slice(0, MOST_BEST);
  }

  showMask(pane, mask, pinned) {
    this.card.hidden = mask < 0;
    this.photoCard.classList.toggle("aside", mask >= 0);
    if (mask < 0) return;
    const { layer } = pane;
    const path = layer.chain(mask);
    const parts = layer.children[mask];
    this.card.replaceChildren(
      this.heading(pane, mask, pinned),
      this.facts(layer, mask),
      this.family("Part of", "Chain of parents, the whole first", pane, path, mask),
      ...(parts.length ? [this.family(counted(parts.length, "part"), "Parts", pane, parts.slice(0, MOST_PARTS), mask)] : []),
    );
    if (parts.length > MOST_PARTS) {
      this.card.append(element("p", { className: "quiet more", textContent: `and ${counted(parts.length - MOST_PARTS, "smaller part")}` }));
    }
  }

  heading(pane, mask, pinned) {
    const portrait = element("canvas", { className: "portrait" });
    drawCutout(portrait, pane.photo, pane.shapes.of(mask), 112);
    const title = element("h2", { textContent: `Mask ${mask + 1}` });
    const of = element("p", { className: "quiet", textContent: `of ${whole.format(pane.layer.count)} in ${pane.layer.name}` });
    const state = element("p", { className: pinned ? "state pinned" : "state", textContent: pinned ? "Pinned" : "Click to pin" });
    return element("div", { className: "who" }, portrait, element("div", {}, title, of, state));
  }

  facts(layer, mask) {
    const share = (100 * layer.pixels[mask]) / (layer.width * layer.height);
    const facts = [
      ["Granularity", layer.granularity[mask].toFixed(3), layer.granularity[mask]],
      ["Score", layer.score[mask].toFixed(3), layer.score[mask]],
      ["Area", `${share < 0.1 ? share.toFixed(2) : share.toFixed(1)} %`, share / 100],
      ["Pixels", whole.format(layer.area[mask])],
      ["Level", `${layer.level[mask]} of ${layer.depth}`],
      ["Found by", layer.source[mask]],
    ];
    if (layer.theta[mask] !== null) facts.push(["Theta", layer.theta[mask].toFixed(2)]);
    const list = element("dl", { className: "facts" });
    for (const [name, text, share] of facts) {
      const value = element("dd", { textContent: text });
      if (share !== undefined) {
        value.className = "measured";
        value.style.setProperty("--share", Math.max(0, Math.min(1, share)));
      }
      list.append(element("dt", { textContent: name }), value);
    }
    return list;
  }

  family(title, label, pane, members, current) {
    const list = element("ol");
    for (const member of members) list.append(element("li", {}, this.chip(pane, member, member === current)));
    const nav = element("nav", { className: "family" }, element("h3", { textContent: title }), list);
    nav.setAttribute("aria-label", label);
    return nav;
  }

  chip(pane, mask, current) {
    const picture = element("canvas");
    drawCutout(picture, pane.photo, pane.shapes.of(mask), 44);
    const name = element("span", { textContent: `${mask + 1}` });
    const chip = element("button", { type: "button", className: "chip" }, picture, name);
    chip.style.setProperty("--colour", pane.colour(mask));
    const { layer } = pane;
    const share = ((100 * layer.pixels[mask]) / (layer.width * layer.height)).toFixed(1);
    chip.setAttribute("aria-label", `Mask ${mask + 1}, ${share} % of the photo`);
    if (current) chip.setAttribute("aria-current", "true");
    chip.addEventListener("click", () => this.onChoose(pane, mask));
    return chip;
  }
}

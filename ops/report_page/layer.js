// One set of masks over one photo: its runs of pixels, its tree, and the partition it makes at a granularity.

const NOTHING = -1;

async function inflated(base64) {
  const packed = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function* signedVarints(bytes) {
  let value = 0;
  let shift = 0;
  for (const byte of bytes) {
    value |= (byte & 127) << shift;
    shift += 7;
    if (byte < 128) {
      yield (value >>> 1) ^ -(value & 1);
      value = 0;
      shift = 0;
    }
  }
}

class Layer {
  static async unpacked(data, width, height) {
    const layer = new Layer();
    Object.assign(layer, { name: data.name, width, height, count: data.parent.length, hidden: data.hidden });
    for (const column of ["parent", "level", "score", "granularity", "theta", "source", "area"]) layer[column] = data[column];
    layer.colours = Uint8Array.from(atob(data.colours), (character) => character.charCodeAt(0));
    layer.readRuns(data.runs, await inflated(data.bytes));
    layer.children = Array.from({ length: layer.count }, () => []);
    layer.largestFirst = [...layer.pixels.keys()].sort((a, b) => layer.pixels[b] - layer.pixels[a]);
    for (const mask of layer.largestFirst) if (layer.parent[mask] >= 0) layer.children[layer.parent[mask]].push(mask);
    layer.depth = layer.level.reduce((deepest, level) => Math.max(deepest, level), 0);
    return layer;
  }

  // A run is told by how its start and its length differ from those of the run one row above.
  readRuns(runsOfMask, bytes) {
    const total = runsOfMask.reduce((sum, runs) => sum + runs, 0);
    this.first = new Int32Array(this.count + 1);
    this.starts = new Int32Array(total);
    this.ends = new Int32Array(total);
    this.pixels = new Float64Array(this.count);
    const numbers = signedVarints(bytes);
    let run = 0;
    for (let mask = 0; mask < this.count; mask++) {
      let start = -this.width;
      let length = 0;
      for (let left = runsOfMask[mask]; left > 0; left--, run++) {
        start += this.width + numbers.next().value;
        length += numbers.next().value;
        this.starts[run] = start;
        this.ends[run] = start + length;
        this.pixels[mask] += length;
      }
      this.first[mask + 1] = run;
    }
  }

  paint(labels, mask, value = mask) {
    for (let run = this.first[mask]; run < this.first[mask + 1]; run++) labels.fill(value, this.starts[run], this.ends[run]);
  }

  // Coarser masks first, large under small; over them the coarsest ones that are fine enough.
  partition(granularity, labels) {
    labels.fill(NOTHING);
    const coarser = (mask) => this.granularity[mask] > granularity;
    for (const mask of this.largestFirst) if (coarser(mask)) this.paint(labels, mask);
    for (const mask of this.largestFirst) {
      if (!coarser(mask) && (this.parent[mask] < 0 || coarser(this.parent[mask]))) this.paint(labels, mask);
    }
  }

  chain(mask) {
    const path = [mask];
    while (this.parent[path[0]] >= 0) path.unshift(this.parent[path[0]]);
    return path;
  }

  contains(mask, pixel) {
    let low = this.first[mask];
    let high = this.first[mask + 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ends[middle] <= pixel) low = middle + 1;
      else high = middle;
    }
    return low < this.first[mask + 1] && this.starts[low] <= pixel;
  }

  // A pixel well inside a mask: the middle of its longest run.
  innerPixel(mask) {
    let best = this.first[mask];
    for (let run = best; run < this.first[mask + 1]; run++) {
      if (this.ends[run] - this.starts[run] > this.ends[best] - this.starts[best]) best = run;
    }
    return (this.starts[best] + this.ends[best]) >> 1;
  }

  box(mask) {
    const box = { left: this.width, top: this.height, right: 0, bottom: 0 };
    for (let run = this.first[mask]; run < this.first[mask + 1]; run++) {
      const row = Math.floor(this.starts[run] / this.width);
      box.left = Math.min(box.left, this.starts[run] - row * this.width);
      box.right = Math.max(box.right, this.ends[run] - row * this.width);
      box.top = Math.min(box.top, row);
      box.bottom = Math.max(box.bottom, row + 1);
    }
    return box;
  }

  // Where the number of regions changes, as [granularity, change]; the first entry is the number at the finest.
  changes() {
    const changes = [];
    for (let mask = 0; mask < this.count; mask++) {
      const parent = this.parent[mask];
      if (this.children[mask].length) changes.push([this.granularity[mask], 1]);
      else changes.push([0, 1]);
      if (parent >= 0) changes.push([Math.max(this.granularity[parent], this.granularity[mask]), -1]);
    }
    return changes.sort((a, b) => a[0] - b[0]);
  }
}

// A table from slider position to granularity on which the number of regions falls by equal factors.
function granularityScale(layers, steps) {
  const changes = layers.flatMap((layer) => layer.changes()).sort((a, b) => a[0] - b[0]);
  const values = [];
  let count = 0;
  for (const [granularity, change] of changes) {
    count += change;
    if (values.length && values.at(-1).granularity === granularity) values.at(-1).count = count;
    else values.push({ granularity, count });
  }
  const coarsest = Math.max(0.1, ...values.map((value) => value.granularity));
  const most = Math.max(1, values[0]?.count ?? 1);
  const fewest = Math.max(1, values.at(-1)?.count ?? 1);
  const scale = new Float64Array(steps + 1);
  let at = 0;
  for (let step = 0; step <= steps; step++) {
    const target = most * (fewest / most) ** (step / steps) + 1e-9;
    while (at < values.length - 1 && values[at].count > target) at++;
    const linear = 0.1 + (0.9 * step) / steps;
    scale[step] = most === fewest ? linear : Math.max(0.1, values[at]?.granularity ?? linear);
  }
  scale[steps] = Math.max(scale[steps], coarsest, 1);
  return scale;
}

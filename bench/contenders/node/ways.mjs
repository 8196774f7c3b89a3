// Two ways to render the variants and the palette of a photo with sharp. Both use the same encoder settings.
import * as material from '@material/material-color-utilities';
import sharp from 'sharp';

const COLOURS = 128;
const PROXY = 256;

// Without this setting, sharp would use optimised Huffman tables.
const jpeg = quality => ({ quality, chromaSubsampling: '4:2:0', mozjpeg: false, optimiseCoding: false });
const cover = (image, output) => image.resize(output.width, output.height, { fit: 'cover', position: 'centre' });
const background = '#ffffff';

function palette(pixels, channels) {
  const argb = new Array(pixels.length / channels);
  for (let from = 0, to = 0; to < argb.length; from += channels, to++) {
    argb[to] = (255 << 24 | pixels[from] << 16 | pixels[from + 1] << 8 | pixels[from + 2]) >>> 0;
  }
  return material.Score.score(material.QuantizerCelebi.quantize(argb, COLOURS));
}

async function colours(image) {
  const { data, info } = await image.resize(PROXY, PROXY, { fit: 'inside' }).removeAlpha()
    .raw().toBuffer({ resolveWithObject: true });
  return palette(data, info.channels);
}

// The legacy system: decode the file again for each variant, one after the other, with sharp's defaults.
export const model = {
  setUp() {},
  async prepare(data) {
    return data;
  },
  async *pictures(data, outputs) {
    for (const output of outputs) yield [cover(sharp(data).autoOrient().flatten({ background }), output), output];
  },
  async run(data, outputs) {
    const files = [];
    for await (const [image, output] of this.pictures(data, outputs)) {
      files.push(await image.jpeg(jpeg(output.quality)).toBuffer());
    }
    await colours(sharp(data).autoOrient());
    return files;
  },
};

// Tuned: decode once, exactly as large as the largest variant needs, and share the raw pixels.
export const tuned = {
  setUp() {
    sharp.concurrency(1);
    sharp.cache(false);
  },
  async prepare(data) {
    const { width, height } = (await sharp(data).metadata()).autoOrient;
    return { data, width, height };
  },
  async *pictures({ data, width, height }, outputs) {
    const scale = Math.min(1, Math.max(...outputs.map(o => Math.max(o.width / width, o.height / height))));
    const size = [Math.ceil(width * scale), Math.ceil(height * scale)];
    const base = await sharp(data).autoOrient().flatten({ background }).resize(...size, { fit: 'fill' })
      .raw().toBuffer({ resolveWithObject: true });
    for (const output of outputs) yield [cover(sharp(base.data, { raw: base.info }), output), output, base];
  },
  async run(prepared, outputs) {
    const files = [];
    let shared;
    for await (const [image, output, base] of this.pictures(prepared, outputs)) {
      files.push(await image.jpeg(jpeg(output.quality)).toBuffer());
      shared = base;
    }
    await colours(sharp(shared.data, { raw: shared.info }));
    return files;
  },
};

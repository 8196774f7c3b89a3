// The process of a Node.js contender. It answers the requests of bench/core/measure.py, and ends when its input ends.
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import sharp from 'sharp';
import * as ways from './ways.mjs';

const way = ways[process.argv[2]];
way.setUp();
let prepared;
let outputs = [];
let files = [];

async function timed(work) {
  const cpu = process.cpuUsage();
  const wall = process.hrtime.bigint();
  const result = await work();
  const wall_s = Number(process.hrtime.bigint() - wall) / 1e9;
  const used = process.cpuUsage(cpu);
  return [result, { cpu_s: (used.user + used.system) / 1e6, wall_s }];
}

async function many(paths, wanted, inFlight) {
  const waiting = [];
  for (const path of paths) waiting.push(await way.prepare(await readFile(path)));
  const lane = async () => {
    while (waiting.length > 0) await way.run(waiting.shift(), wanted);
  };
  const [, cost] = await timed(() => Promise.all(Array.from({ length: inFlight }, lane)));
  return cost;
}

const versions = {
  node: process.versions.node,
  sharp: sharp.versions.sharp,
  'libvips (sharp)': sharp.versions.vips,
  'material-color-utilities (npm)':
    createRequire(import.meta.url)('./package-lock.json').packages['node_modules/@material/material-color-utilities'].version,
};

async function answer(request) {
  switch (request.do) {
    case 'hello':
      return { versions };
    case 'prepare':
      outputs = request.outputs;
      prepared = await way.prepare(await readFile(request.path));
      return {};
    case 'run': {
      const [rendered, cost] = await timed(() => way.run(prepared, outputs));
      files = rendered;
      return { ...cost, file_bytes: files.reduce((sum, file) => sum + file.length, 0) };
    }
    case 'many':
      return many(request.paths, request.outputs, request.in_flight);
    case 'files':
      for (const [index, output] of outputs.entries()) {
        await writeFile(join(request.folder, `${output.name}.jpg`), files[index]);
      }
      return {};
    case 'pictures':
      for await (const [image, output] of way.pictures(prepared, outputs)) {
        await writeFile(join(request.folder, `${output.name}.png`), await image.png({ compressionLevel: 1 }).toBuffer());
      }
      return {};
    default:
      return { error: `there is no request ${request.do}` };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  let response;
  try {
    response = await answer(JSON.parse(line));
  } catch (error) {
    response = { error: String(error.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify(response)}\n`);
}

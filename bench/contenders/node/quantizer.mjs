// Measures the TypeScript quantizer. Reads {"pictures": [[argb, ...], ...], "rounds": n}, and prints n CPU times in
// milliseconds for each picture. The first run on each picture is a warm-up.
import * as material from '@material/material-color-utilities';

let text = '';
for await (const piece of process.stdin) text += piece;
const { pictures, rounds } = JSON.parse(text);
const answers = pictures.map(pixels => {
  material.QuantizerCelebi.quantize(pixels, 128);
  return Array.from({ length: rounds }, () => {
    const before = process.cpuUsage();
    material.QuantizerCelebi.quantize(pixels, 128);
    const used = process.cpuUsage(before);
    return (used.user + used.system) / 1000;
  });
});
console.log(JSON.stringify(answers));

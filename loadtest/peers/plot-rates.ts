/** A bar chart as an SVG file of its own. */

interface Rate {
  readonly name: string;
  readonly perSecond: number;
}

const ROW_HEIGHT = 26;
const LABEL_WIDTH = 300;
const BAR_WIDTH = 440;
const WIDTH = LABEL_WIDTH + BAR_WIDTH + 120;
const TOP = 56;

export function plotRates(rates: readonly Rate[], subtitle: string): string {
  const sorted = rates.toSorted((a, b) => a.name.localeCompare(b.name));
  const most = Math.max(...sorted.map(({ perSecond }) => perSecond));
  const bars = sorted.map(({ name, perSecond }, i) => {
    const y = TOP + i * ROW_HEIGHT;
    const width = (perSecond / most) * BAR_WIDTH;
    const color = name.endsWith('Millrace') ? '#0b7285' : '#adb5bd';
    return [
      `<text x="${LABEL_WIDTH - 8}" y="${y + 16}" text-anchor="end">${escapeXml(name)}</text>`,
      `<rect x="${LABEL_WIDTH}" y="${y + 3}" width="${width.toFixed(1)}" height="18" fill="${color}"/>`,
      `<text x="${LABEL_WIDTH + width + 6}" y="${y + 16}">${Math.round(perSecond).toLocaleString('en')}</text>`,
    ].join('');
  });
  const height = TOP + sorted.length * ROW_HEIGHT + 12;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="16" y="24" font-size="16">Requests per second, medians</text>`,
    `<text x="16" y="42" fill="#495057">${escapeXml(subtitle)}</text>`,
    ...bars,
    '</svg>\n',
  ].join('\n');
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

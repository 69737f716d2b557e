/** A table for people, as etcdctl draws it: headings in the middle and in capitals, cells to the right. */
export function drawTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const titles = header.map((title) => title.toUpperCase().replaceAll("_", " "));
  const widths = titles.map((title, at) =>
    Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0)),
  );
  const rule = `+${widths.map((width) => "-".repeat(width + 2)).join("+")}+\n`;
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |\n`;
  const heading = line(titles.map((title, at) => centre(title, widths[at] ?? 0)));
  const body = rows.map((row) => line(row.map((cell, at) => cell.padStart(widths[at] ?? 0))));
  return `${rule}${heading}${rule}${body.join("")}${rule}`;
}

function centre(text: string, width: number): string {
  const left = Math.floor((width - text.length) / 2);
  return text.padStart(text.length + left).padEnd(width);
}

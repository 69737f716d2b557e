/** The entry: `quorate-operator FLAGS` runs the operator, `quorate-operator transfer …` what its Jobs do. */
const [command, ...rest] = process.argv.slice(2);
if (command === "transfer") {
  const { main } = await import("./transfer.ts");
  await main(rest);
} else {
  const { main } = await import("./process.ts");
  await main(process.argv.slice(2));
}

/** What was wrong with the data of a run, in its report: how much was left out, and each finding with its rule. */
import { counted } from "../../data/counted.ts";
import { countProblems, type Problem, type ProblemEffect, problemEffects } from "../../data/problem.ts";
import { type Markup, markup } from "../draw/markup.ts";

/** Rows of the table; a broken data set may have a hundred thousand. The counts above it are of all of them. */
const shownProblems = 200;

const effects: Readonly<Record<ProblemEffect, string>> = {
  stops: "would make the figures wrong",
  costs: "left out",
  noted: "noted",
};

/** `12 left out (8 degenerate, 4 unreadable) · 2 noted (2 beyond)`: what weighs more stands first. */
export function problemCounts(problems: readonly Problem[]): string {
  const said = (["stops", "costs", "noted"] as const).flatMap((effect) => {
    const some = problems.filter(({ rule }) => problemEffects[rule] === effect);
    const rules = Object.entries(countProblems(some)).map(([rule, count]) => `${count} ${rule}`);
    return some.length === 0 ? [] : [`${some.length} ${effects[effect]} (${rules.join(", ")})`];
  });
  return said.join(" · ");
}

/** Counts and a table, what weighs more first and else in the order in which it was found. */
export function problemTable(problems: readonly Problem[]): Markup {
  const order: readonly ProblemEffect[] = ["stops", "costs", "noted"];
  const weight = ({ rule }: Problem): number => order.indexOf(problemEffects[rule]);
  const sorted = problems.toSorted((a, b) => weight(a) - weight(b));
  const rows = sorted
    .slice(0, shownProblems)
    .map(
      ({ case: id, rule, message }) =>
        markup`<tr><th scope="row">${id}</th><td>${rule}</td><td>${effects[problemEffects[rule]]}</td><td>${message}</td></tr>`,
    );
  const more = problems.length - rows.length;
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="Problems with the data"><table class="problems">
<thead><tr>${["Where", "Rule", "Effect", "What"].map((head) => markup`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>${rows}</tbody>
</table></div>${more > 0 && markup`<p class="note">${counted(more, "more problem")}; medvox verify lists all of them.</p>`}`;
}

/**
 * Colours and type, once for the page and for pictures that stand alone.
 *
 * Class colours are the Okabe–Ito palette (Color Universal Design, 2008), darkened on white so that lines keep a
 * contrast of 4.5, and as published on dark ground. Nothing is said by colour alone: truth is solid and prediction
 * dashed, training solid and validation dashed, every line is named in words.
 */

/** On white paper, and on dark ground or over an image. */
export const classColors: readonly { readonly light: string; readonly dark: string }[] = [
  { light: "#0569a8", dark: "#56b4e9" },
  { light: "#a85a00", dark: "#f0a830" },
  { light: "#007a58", dark: "#2fcf9f" },
  { light: "#a2457c", dark: "#e79bc6" },
  { light: "#b03a00", dark: "#ff8552" },
  { light: "#6d6a00", dark: "#f0e442" },
  { light: "#5a4fb0", dark: "#aaa2f5" },
  { light: "#4d5a63", dark: "#c3ccd3" },
];

export function classColor(index: number): { readonly light: string; readonly dark: string } {
  return classColors[index % classColors.length];
}

const light = {
  paper: "#ffffff",
  raised: "#f6f7f8",
  ink: "#16191d",
  soft: "#59616b",
  line: "#dde1e5",
  hair: "#eceef1",
};
const dark = { paper: "#121518", raised: "#1a1e22", ink: "#e8eaed", soft: "#9aa4af", line: "#2f353b", hair: "#23282d" };

function variables(colors: typeof light, shade: "light" | "dark"): string {
  const plain = Object.entries(colors).map(([name, color]) => `--${name}:${color}`);
  return [...plain, ...classColors.map((c, i) => `--class${i}:${c[shade]}`)].join(";");
}

/** Custom properties of both themes, for `:root` or `svg`. */
export function themeVariables(selector: string): string {
  return (
    `${selector}{color-scheme:light dark;${variables(light, "light")}}` +
    `@media (prefers-color-scheme:dark){${selector}{${variables(dark, "dark")}}}` +
    `@media print{${selector}{color-scheme:light;${variables(light, "light")}}}`
  );
}

const sans = `ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"Noto Sans",sans-serif`;
const mono = `ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace`;

/** How the parts of a chart look. */
export const chartStyle = [
  `.chart text{font:11px ${sans};fill:var(--soft);font-variant-numeric:tabular-nums}`,
  ".chart .grid{stroke:var(--hair);stroke-width:1}",
  ".chart .axis{stroke:var(--line);stroke-width:1}",
  ".chart .mark{stroke:var(--soft);stroke-width:1;stroke-dasharray:1 3;stroke-linecap:round}",
  ".chart .series{fill:none;stroke-width:1.75;stroke-linejoin:round;stroke-linecap:round}",
  ".chart .dashed{stroke-dasharray:5 4;stroke-linecap:butt}",
  ".chart .ink{stroke:var(--ink)}",
  ".chart .soft{stroke:var(--soft)}",
  ".chart circle.ink{fill:var(--ink);stroke:var(--paper)}",
  ".chart text.value{fill:var(--ink);font-weight:600}",
  ".chart text.name{fill:var(--ink);font-size:13px;font-weight:600}",
].join("");

export const pageStyle = `
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.55 ${sans}}
main{max-width:1080px;margin:0 auto;padding:56px 32px 72px}
h1,h2,h3,p,dl,dd,figure,ul{margin:0;padding:0}
h1{font-size:30px;line-height:1.2;font-weight:650;letter-spacing:-.015em;overflow-wrap:anywhere}
h2{font-size:19px;line-height:1.3;font-weight:650;letter-spacing:-.005em}
h3{font-size:14px;line-height:1.4;font-weight:600}
a{color:inherit;text-underline-offset:2px;text-decoration-color:var(--soft)}
section{margin-top:56px;padding-top:20px;border-top:1px solid var(--line)}
.lead{margin-top:10px;max-width:46em;color:var(--soft)}
.note{margin-top:6px;max-width:52em;color:var(--soft);font-size:13.5px}
.numbers{display:grid;grid-template-columns:repeat(auto-fit,minmax(132px,1fr));gap:24px 32px;margin-top:36px}
.numbers dt{color:var(--soft);font-size:13.5px}
.numbers dd{display:flex;flex-direction:column}
.numbers strong{font-size:28px;line-height:1.25;font-weight:600;letter-spacing:-.02em;font-variant-numeric:tabular-nums}
.numbers strong small{font-size:15px;font-weight:500;letter-spacing:0}
.numbers span{color:var(--soft);font-size:13px;font-variant-numeric:tabular-nums}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(290px,100%),1fr));gap:32px 36px;margin-top:24px}
.charts.wide{grid-template-columns:repeat(auto-fill,minmax(min(440px,100%),1fr))}
.charts svg{display:block;width:100%;height:auto;margin-top:6px}
.key{display:flex;flex-wrap:wrap;gap:2px 16px;margin-top:2px;color:var(--soft);font-size:13px;list-style:none}
.key li{display:flex;align-items:center;gap:6px}
.key svg,.charts .key svg{display:block;width:22px;height:8px;margin:0;flex:none;overflow:visible}
.scroll{overflow-x:auto;margin:20px -32px 0 0;padding-right:32px}
.scroll:focus-visible{outline:2px solid var(--soft);outline-offset:-2px}
table{border-collapse:collapse;width:100%;font-size:13.5px;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);padding-bottom:8px}
th,td{padding:6px 0 6px 20px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--hair);font-weight:400}
thead th{color:var(--soft);vertical-align:bottom;border-bottom-color:var(--line)}
thead tr:first-child th[colspan]{text-align:left;border-bottom:0;padding-bottom:4px;color:var(--ink);font-weight:600;background:linear-gradient(var(--line),var(--line)) right bottom/calc(100% - 20px) 1px no-repeat}
tr:first-child th:first-child,tbody th:first-child{text-align:left;padding-left:0}
thead tr+tr th{padding-top:4px}
tbody th{font-weight:500;position:sticky;left:0;background:var(--paper)}
td small{color:var(--soft);font-size:12.5px;font-weight:400}
.summary td{vertical-align:top}
.summary td{padding-top:8px;padding-bottom:8px}
td.none{color:var(--soft)}
.problems td,.problems th{text-align:left;vertical-align:top}
.problems td:last-child{white-space:normal;min-width:24em;overflow-wrap:anywhere}
.case{margin-top:28px;break-inside:avoid}
.case header{display:flex;flex-wrap:wrap;align-items:baseline;gap:0 14px}
.case header p{color:var(--soft);font-size:13.5px;font-variant-numeric:tabular-nums}
.role{color:var(--soft);font-weight:500}
.planes{display:flex;flex-wrap:wrap;gap:14px;margin-top:10px}
.planes figure{min-width:0}
.planes figcaption{margin-top:5px;color:var(--soft);font-size:12.5px;font-variant-numeric:tabular-nums}
.montage{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:18px 14px;margin-top:12px}
.montage+h3{margin-top:26px}
.montage figcaption{margin-top:5px;color:var(--soft);font-size:12.5px;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.montage figcaption b{display:block;color:var(--ink);font-weight:500}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(440px,100%),1fr));gap:20px 18px;margin-top:12px}
.pictures.wide{grid-template-columns:1fr}
.note+h3{margin-top:20px}
.pictures+h3{margin-top:26px}
.pictures img{display:block;width:100%;height:auto;border-radius:3px;print-color-adjust:exact;-webkit-print-color-adjust:exact}
.pictures figcaption{margin-top:5px;color:var(--soft);font-size:12.5px;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.pictures figcaption b{color:var(--ink);font-weight:500}
.picture{position:relative;background:#000;border-radius:3px;overflow:hidden;print-color-adjust:exact;-webkit-print-color-adjust:exact}
.picture svg{display:block;width:100%;height:auto}
.picture i{position:absolute;color:#e6e9ec;font:600 11px/1 ${sans};filter:drop-shadow(0 0 1px #000) drop-shadow(0 0 2px #000);pointer-events:none}
.picture .left{left:6px;top:50%;transform:translateY(-50%)}
.picture .right{right:6px;top:50%;transform:translateY(-50%)}
.picture .top{top:6px;left:50%;transform:translateX(-50%)}
.picture .bottom{bottom:6px;left:50%;transform:translateX(-50%)}
.picture .bar{left:8px;bottom:7px;padding-top:4px;border-top:2px solid #e6e9ec;white-space:nowrap;font-weight:500;font-size:10.5px}
.outline{fill:none;stroke-linejoin:round;stroke-linecap:butt}
.truth{stroke-width:2}
.prediction{stroke-width:2;stroke-dasharray:5 3}
.halo{stroke:#000;stroke-opacity:.45;stroke-width:3.6;stroke-dasharray:none}
.swatch{width:26px!important}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(320px,100%),1fr));gap:40px 56px}
.facts h2+dl,.facts h2+ul{margin-top:14px}
.pairs{display:grid;grid-template-columns:minmax(96px,max-content) minmax(0,1fr);font-size:13.5px}
.pairs dt,.pairs dd{padding:5px 0;border-bottom:1px solid var(--hair)}
.pairs dt{color:var(--soft);padding-right:24px;overflow-wrap:anywhere}
.pairs dd{overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
pre{margin:14px 0 0;padding:14px 16px;background:var(--raised);border-radius:4px;font:13px/1.6 ${mono};white-space:pre-wrap;overflow-wrap:anywhere}
.credits{list-style:none;margin-top:12px;font-size:13.5px}
section>.key{margin-top:12px}
.credits li{padding:5px 0}
.credits li span{color:var(--soft)}
footer{margin-top:48px;color:var(--soft);font-size:13px}
@media (max-width:640px){
main{padding:32px 18px 48px}
h1{font-size:25px}
section{margin-top:44px}
.numbers{grid-template-columns:1fr 1fr;gap:20px 24px}
.scroll{margin:18px -18px 0 0;padding-right:18px}
.summary tbody th{white-space:normal;min-width:88px}
th,td{padding-left:16px}
.pairs dt{padding-right:16px}
}
@media print{
@page{margin:16mm 14mm}
main{max-width:none;padding:0}
body{font-size:10.5pt}
section{margin-top:28px}
h2,h3,.note,.key,.case header{break-after:avoid}
.charts>div,.numbers,tr{break-inside:avoid}
.numbers{grid-template-columns:repeat(auto-fit,minmax(96px,1fr));gap:14px 18px;margin-top:20px}
.numbers strong{font-size:20pt}
.numbers span{font-size:8pt;white-space:nowrap}
.charts{grid-template-columns:repeat(3,1fr);gap:18px 20px}
.case{margin-top:18px}
.montage{grid-template-columns:repeat(6,1fr);gap:12px 10px}
.montage figure{break-inside:avoid}
.scroll{overflow:visible;margin:14px 0 0;padding:0}
table{font-size:8.5pt}
th,td{padding-left:10px}
}`;

// Runs in the browser: draws the plots of every section from the series in the page, in the colours of its scheme.
// Drag to zoom, double click to see all; the cursor of one plot is that of all in its section.

const HEIGHT = 220

const color = (at) => getComputedStyle(document.documentElement).getPropertyValue(`--series-${(at % 6) + 1}`)
const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name)

const plots = [
  { key: 'left', title: 'What is left of each limit', unit: '%', digits: 1 },
  { key: 'depth', title: 'Requests that wait, by tier', unit: '', digits: 0 },
  { key: 'waits', title: 'Waits that ended, p95 by tier', unit: 's', digits: 2, logarithmic: true },
  { key: 'shares', title: 'Part of what was granted, by tier', unit: '%', digits: 1, stacked: true },
]

function told(value, { unit, digits }) {
  return value === null || value === undefined ? '-' : `${value.toFixed(digits)} ${unit}`
}

/** One line for each power of ten, not for all between. */
const wholeDecades = (_, ticks) => ticks.map((tick) => (Number.isInteger(Math.log10(tick)) ? tick : null))

/** Sums of a line and those before it, so that areas lie on each other. */
function stack(lines) {
  const sums = []
  let below = lines[0]?.values.map(() => 0) ?? []
  for (const { values } of lines) {
    below = values.map((value, at) => (value === null ? null : (below[at] ?? 0) + value))
    sums.push(below)
  }
  return sums
}

function draw(parent, series, plot, sync) {
  const lines = series[plot.key]
  const shown = plot.stacked ? stack(lines) : lines.map(({ values }) => values)
  // The largest sum is drawn first, and those below it over it.
  const order = lines.map((_, at) => at)
  if (plot.stacked) order.reverse()
  const values = (at) =>
    plot.logarithmic ? shown[at].map((value) => (value === null ? null : Math.max(0.01, value))) : shown[at]
  const grid = { stroke: ink('--rule'), width: 1 }
  const axis = { stroke: ink('--faint'), grid, ticks: grid, font: '12px system-ui, sans-serif' }
  const options = {
    width: parent.clientWidth,
    height: HEIGHT,
    cursor: { sync: { key: sync } },
    scales: {
      x: { time: false },
      y: plot.logarithmic ? { distr: 3 } : plot.stacked ? { range: [0, 100] } : {},
    },
    axes: [
      { ...axis, values: (_, ticks) => ticks.map((hours) => `${Number(hours.toFixed(3))} h`) },
      {
        ...axis,
        size: 64,
        grid: plot.logarithmic ? { ...grid, filter: wholeDecades } : grid,
        values: (_, ticks) => ticks.map((tick) => (tick === null ? '' : `${tick} ${plot.unit}`)),
      },
    ],
    series: [
      { label: 'after', value: (_, hours) => (hours === null ? '-' : `${hours.toFixed(2)} h`) },
      ...order.map((at) => ({
        label: lines[at].name,
        stroke: color(at),
        fill: plot.stacked ? color(at) : undefined,
        width: plot.stacked ? 0 : 1.5,
        points: { show: false },
        spanGaps: plot.logarithmic,
        value: (_, __, ___, row) => told(row === null ? null : lines[at].values[row], plot),
      })),
    ],
  }
  return new uPlot(options, [series.hours, ...order.map(values)], parent)
}

const sections = JSON.parse(document.querySelector('#series').textContent)
const parents = [...document.querySelectorAll('.plots')]
let drawn = []

function drawAll() {
  for (const { plot } of drawn) plot.destroy()
  drawn = sections.flatMap((series, at) =>
    plots.map((each, nth) => {
      const parent = parents[at].children[nth].lastElementChild
      return { parent, plot: draw(parent, series, each, `section-${at}`) }
    }),
  )
}

for (const parent of parents) {
  for (const { title } of plots) {
    const card = document.createElement('div')
    card.className = 'plot'
    const heading = document.createElement('h2')
    heading.textContent = title
    const canvas = document.createElement('div')
    card.append(heading, canvas)
    parent.append(card)
  }
}
drawAll()
addEventListener('resize', () => {
  for (const { parent, plot } of drawn) plot.setSize({ width: parent.clientWidth, height: HEIGHT })
})
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll)

/** What every client sent and got, against the API document that the server itself serves. */
import { readTrace, trafficChecker } from '../fixtures/check-traffic.mjs'

/** Answers with what was wrong, or nothing; `server` as `startServer` made it. */
export async function compareTraffic(server) {
  const answer = await fetch(`${server.url}/api/openapi.json`)
  const checker = trafficChecker(await answer.json())
  const problems = readTrace(server.traffic).flatMap((exchange) => checker.check(exchange))
  console.log(
    `# compared ${checker.count()} exchanges of ${checker.seen().size} operations with the API document`,
  )
  if (checker.count() < 10) return `only ${checker.count()} exchanges were kept`
  return problems.length === 0 ? undefined : [...new Set(problems)].slice(0, 20).join('\n')
}

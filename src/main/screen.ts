/** The start screen: what runs where, why this storage, a command to connect, the next to try. */
import pc from 'picocolors'
import type { PoolStatus } from '../ports/storage.ts'
import { sayHostStyle } from './hosts.ts'
import type { ServerFacts } from './server.ts'

export async function startScreen(facts: ServerFacts, command: string): Promise<string> {
  const { storage } = (await facts.status()) as { storage: PoolStatus }
  const taken = storage.rungs.find(({ isTaken }) => isTaken)
  const rows: readonly (readonly [string, string])[] = [
    ['API', facts.apiUrl],
    ['Postgres', `port ${facts.pgPort}, TLS; hosts: ${sayHostStyle(facts.hostStyle)}`],
    ['Storage', `${storage.driver}: ${taken?.because ?? 'as recorded'}`],
    ['State', facts.stateDirectory],
    ['Owner', `${facts.owner} (project store, branch production)`],
  ]
  return [
    '',
    `  ${pc.bold('Lakelet')} ${facts.version} is running.`,
    '',
    ...rows.map(([name, value]) => `  ${pc.dim(name.padEnd(10))}${value}`),
    ...(facts.port.notice === undefined ? [] : ['', `  ${pc.yellow(facts.port.notice)}`]),
    ...(facts.setupLink === undefined
      ? []
      : [
          '',
          `  Password  ${facts.owner} has none yet. To sign in in a browser, set one (once, within a day):`,
          `            ${facts.setupLink}`,
        ]),
    '',
    `  Connect   ${pc.cyan(`${command} psql projects/store/branches/production`)}`,
    `  Branch    ${pc.cyan(`${command} postgres create-branch projects/store try-it --ttl 6h`)}`,
    `  Shell     ${pc.cyan(`eval "$(${command} env)"`)}`,
    `  Stop      Ctrl-C, or ${pc.cyan(`${command} stop`)}`,
    '',
    '',
  ].join('\n')
}

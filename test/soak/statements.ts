/**
 * The tables of the soak, and what is done with them. Serializable transactions read, decide here and
 * write the whole back, so only Postgres keeps them from losing each other's updates; the others leave
 * the deciding to one statement.
 */
import type pg from 'pg'
import { accounts, openingBalance } from './bank.ts'
import type {
  Append,
  Contents,
  Isolation,
  Outcome,
  Read,
  Transaction,
  Transfer,
} from './history.ts'

export const schema = `
  create table lists (key int primary key, list int[] not null);
  create table accounts (id int primary key, balance int not null);
  create table ledger (transaction int primary key, source int, target int, amount int);
  create index on ledger (source, target);
  insert into accounts select n, ${openingBalance} from generate_series(0, ${accounts - 1}) n`

/** Appends and transfers as they will be; reads are filled in when they were made. */
export type PlannedStep = Append | Transfer | Omit<Read, 'list'>

export interface Plan {
  readonly id: number
  readonly isolation: Isolation
  readonly steps: readonly PlannedStep[]
  /** Rolled back at its end: nobody may ever see it. */
  readonly isGivenUp: boolean
}

export interface Performed {
  readonly outcome: Outcome
  readonly steps: Transaction['steps']
  /** The session is of no use any more. */
  readonly isBroken: boolean
}

export async function perform(client: pg.Client, plan: Plan): Promise<Performed> {
  const steps: Transaction['steps'][number][] = []
  const failed = async (): Promise<Performed> => ({
    outcome: 'fail',
    steps: [...steps, ...unseen(plan, steps)],
    isBroken: !(await isRolledBack(client)),
  })
  try {
    await client.query(`begin isolation level ${plan.isolation}`)
    for (const step of plan.steps) {
      if (!(await performStep(client, plan, step, steps))) return await failed()
    }
  } catch {
    return failed()
  }
  if (plan.isGivenUp) return failed()
  try {
    // A transaction that failed answers to COMMIT with ROLLBACK.
    const { command } = await client.query('commit')
    return { outcome: command === 'COMMIT' ? 'ok' : 'fail', steps, isBroken: false }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    // Class 40: transaction rollback. Anything else may have come after the commit.
    const isRefused = /^40[0-9A-Z]{3}$/.test(code)
    return { outcome: isRefused ? 'fail' : 'unknown', steps, isBroken: !isRefused }
  }
}

/** What it would have written, for whoever sees it nevertheless. */
const unseen = (plan: Plan, done: Transaction['steps']): Transaction['steps'] =>
  plan.steps.flatMap((step) => (step.do === 'read' || done.includes(step) ? [] : [step]))

async function isRolledBack(client: pg.Client): Promise<boolean> {
  try {
    await client.query('rollback')
    return true
  } catch {
    return false
  }
}

/** `false`: there is nothing to be done, and the transaction ends. */
async function performStep(
  client: pg.Client,
  { id, isolation }: Plan,
  step: PlannedStep,
  done: Transaction['steps'][number][],
): Promise<boolean> {
  const isSerializable = isolation === 'serializable'
  if (step.do === 'read') {
    done.push({ ...step, list: await readList(client, step.key) })
    return true
  }
  if (step.do === 'append') {
    const { key, value } = step
    if (isSerializable) {
      const list = await readList(client, key)
      done.push({ do: 'read', key, list })
      await client.query(
        'insert into lists values ($1, $2) on conflict (key) do update set list = excluded.list',
        [key, [...list, value]],
      )
    } else {
      await client.query(
        'insert into lists values ($1, $2) on conflict (key) do update set list = lists.list || excluded.list',
        [key, [value]],
      )
    }
    done.push(step)
    return true
  }
  const isPaid = isSerializable ? await payAsRead(client, step) : await payInPlace(client, step)
  if (!isPaid) return false
  await client.query('insert into ledger values ($1, $2, $3, $4)', [
    id,
    step.from,
    step.to,
    step.amount,
  ])
  done.push(step)
  return true
}

async function readList(client: pg.Client, key: number): Promise<readonly number[]> {
  const { rows } = await client.query('select list from lists where key = $1', [key])
  return rows[0]?.list ?? []
}

async function payAsRead(client: pg.Client, { from, to, amount }: Transfer): Promise<boolean> {
  const { rows } = await client.query('select id, balance from accounts where id in ($1, $2)', [
    from,
    to,
  ])
  const balances = new Map<number, number>(rows.map(({ id, balance }) => [id, balance]))
  const [payer, payee] = [balances.get(from) ?? 0, balances.get(to) ?? 0]
  if (payer < amount) return false
  const write = 'update accounts set balance = $2 where id = $1'
  await client.query(write, [from, payer - amount])
  await client.query(write, [to, payee + amount])
  return true
}

async function payInPlace(client: pg.Client, { from, to, amount }: Transfer): Promise<boolean> {
  const { rowCount } = await client.query(
    'update accounts set balance = balance - $2 where id = $1 and balance >= $2',
    [from, amount],
  )
  if (rowCount === 0) return false
  await client.query('update accounts set balance = balance + $2 where id = $1', [to, amount])
  return true
}

export async function readBalances(client: pg.Client): Promise<readonly number[]> {
  const { rows } = await client.query('select balance from accounts')
  return rows.map(({ balance }) => balance)
}

/** In one snapshot. */
export async function readContents(client: pg.Client): Promise<Contents> {
  await client.query('begin isolation level repeatable read read only')
  const lists = await client.query('select key, list from lists')
  const balances = await client.query('select id, balance from accounts')
  const ledger = await client.query('select * from ledger')
  await client.query('commit')
  return {
    lists: new Map(lists.rows.map(({ key, list }) => [key, list])),
    balances: new Map(balances.rows.map(({ id, balance }) => [id, balance])),
    ledger: new Map(
      ledger.rows.map(({ transaction, source, target, amount }) => [
        transaction,
        { do: 'transfer', from: source, to: target, amount },
      ]),
    ),
  }
}

/** What holds of the bank at every moment: nothing is made or lost, nobody owes, the ledger tells it all. */
import type { Contents } from './history.ts'

export const accounts = 8
export const openingBalance = 1000

/** One sentence for each thing that is wrong. */
export function checkBank({ balances, ledger }: Pick<Contents, 'balances' | 'ledger'>): string[] {
  const wrong: string[] = checkBalances([...balances.values()])
  const told = new Map(Array.from({ length: accounts }, (_, id) => [id, openingBalance]))
  for (const { from, to, amount } of ledger.values()) {
    told.set(from, (told.get(from) ?? 0) - amount)
    told.set(to, (told.get(to) ?? 0) + amount)
  }
  for (const [account, balance] of told) {
    const seen = balances.get(account)
    if (seen !== balance) wrong.push(`account ${account} has ${seen}, by the ledger ${balance}`)
  }
  return wrong
}

export function checkBalances(balances: readonly number[]): string[] {
  const sum = balances.reduce((all, one) => all + one, 0)
  return [
    ...(balances.length === accounts ? [] : [`${balances.length} accounts, not ${accounts}`]),
    ...(sum === accounts * openingBalance
      ? []
      : [`${sum} in all accounts, not ${accounts * openingBalance}`]),
    ...balances.filter((one) => one < 0).map((one) => `an account has ${one}`),
  ]
}

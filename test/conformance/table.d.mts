export interface Row {
  readonly what: string
  readonly result: 'pass' | 'fail' | 'skip'
  readonly reason?: string
}

export interface ClientRows {
  readonly title: string
  readonly version: string
  readonly rows: readonly Row[]
}

export function renderTable(clients: readonly ClientRows[]): string
export function differences(page: string, clients: readonly ClientRows[]): string[]

/** Where the Postgres API lives. */
export const base = '/api/2.0/postgres'

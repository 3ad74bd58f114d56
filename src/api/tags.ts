/** The groups of the API document, in its order. */
export const tags = {
  Projects: 'The top of the hierarchy: owns branches, permissions and the defaults of endpoints.',
  Branches: 'A writable line of data with a source and an end.',
  Endpoints: 'The stable address of a branch; its compute starts with the first connection.',
  Roles: "Postgres roles of a branch, kept in the branch's own Postgres.",
  Databases: "Postgres databases of a branch, kept in the branch's own Postgres.",
  Snapshots: 'Immutable points of a branch that later branches can begin with.',
  Backups: 'Copies of a branch away from the machine of the server.',
  Credentials: 'Passwords for Postgres that are good for a while.',
  Operations: 'Every write is one: poll it until `done`, then read `response` or `error`.',
  Permissions: 'Who may do what with a project.',
  Identities: 'Users, service principals and groups, in SCIM (RFC 7643, RFC 7644).',
  Tokens: 'Personal access tokens for this API.',
  Audit: 'Who changed what, when and from where.',
  OAuth: 'Where OAuth 2.0 is: its own metadata (RFC 8414) names the endpoints.',
  Server: 'The server itself.',
  Neighbours: 'Paths of other products that clients call anyway.',
} as const

export type Tag = keyof typeof tags

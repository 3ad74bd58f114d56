/**
 * Which coding agent runs this command, if one does: the audit log names it beside the identity. Agents
 * set variables in the shells that they open; these are the ones that the Databricks SDKs know as well.
 */

const variables: Readonly<Record<string, string>> = {
  AMP_CURRENT_THREAD_ID: 'amp',
  ANTIGRAVITY_AGENT: 'antigravity',
  AUGMENT_AGENT: 'augment',
  CLAUDECODE: 'claude-code',
  CLINE_ACTIVE: 'cline',
  CODEX_CI: 'codex',
  CODEX_SANDBOX: 'codex',
  CODEX_THREAD_ID: 'codex',
  COPILOT_CLI: 'copilot-cli',
  CURSOR_AGENT: 'cursor',
  GEMINI_CLI: 'gemini-cli',
  GOOSE_TERMINAL: 'goose',
  KIRO: 'kiro',
  OPENCLAW_SHELL: 'openclaw',
  OPENCODE: 'opencode',
  PI_CODING_AGENT: 'pi',
  VSCODE_AGENT: 'vscode-agent',
  WINDSURF_AGENT: 'windsurf',
}

/**
 * `LAKELET_AGENT` before all; then the agents whose variables are set, joined by `+` where one runs
 * another; then the name in `AGENT` or `AI_AGENT`. Letters, digits and `._+-`, at most 64.
 */
export function codingAgent(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const known = [
    ...new Set(Object.entries(variables).flatMap(([name, agent]) => (env[name] ? [agent] : []))),
  ]
  const found = env.LAKELET_AGENT || known.join('+') || env.AGENT || env.AI_AGENT
  return found ? found.replace(/[^A-Za-z0-9._+-]/g, '-').slice(0, 64) : undefined
}

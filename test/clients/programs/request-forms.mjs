/** Every way in which clients have asked for an end of a branch, on plain HTTP. */
import { ApiError, apiOf, check, lifeOf } from '../api.mjs'

const project = process.env.PROJECT
const production = `projects/${project}/branches/production`
const api = apiOf(process.env.DATABRICKS_TOKEN)

const accepted = {
  contract: { source_branch: production, ttl: '21600s' },
  // The request that started it all: refused by every server so far.
  'object-ttl': { source_branch_id: 'production', ttl: { seconds: 21600 } },
  'object-text': { source_branch_id: production, ttl: { seconds: '21600', nanos: 0 } },
  'no-source': { ttl: '21600s' },
}
for (const [id, spec] of Object.entries(accepted)) {
  const branch = await api.createBranch(project, id, spec)
  check(lifeOf(branch) === 21600, `${id}: the branch lives six hours, not ${lifeOf(branch)} s`)
  check(branch.status.source_branch === production, `${id}: the branch comes from production`)
  check(branch.spec === undefined, `${id}: a read has no spec`)
  await api.deleteBranch(branch.name)
}

const at = new Date(Date.now() + 3_600_000).toISOString()
const byTime = await api.createBranch(project, 'expire-time', { expire_time: at })
check(Date.parse(byTime.status.expire_time) === Date.parse(at), 'expire_time is kept as sent')
await api.deleteBranch(byTime.name)

const kept = await api.createBranch(project, 'kept', { no_expiry: true })
check(kept.status.expire_time === undefined, 'a branch without expiry has no expire_time')
await api.deleteBranch(kept.name)
const again = await api.createBranch(project, 'kept', { no_expiry: true })
check(again.uid !== kept.uid, 'an id is free at once after a delete')
await api.deleteBranch(again.name)

const refused = {
  nothing: [{}, /^Expiration must be specified when creating a branch/],
  two: [{ ttl: '60s', no_expiry: true }, /./],
  'too-long': [{ ttl: `${400 * 86_400}s` }, /expiration time exceeds the maximum expiration time/i],
  past: [{ expire_time: '2020-01-01T00:00:00Z' }, /./],
}
for (const [id, [spec, words]] of Object.entries(refused)) {
  const error = await api.createBranch(project, `refused-${id}`, spec).then(
    () => undefined,
    (reason) => reason,
  )
  check(error instanceof ApiError && error.status === 400, `${id} is refused at once: ${error}`)
  check(words.test(JSON.parse(error.message.slice(error.message.indexOf('{'))).message), `${error}`)
}

import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createLog } from '../lib/log.ts'
import { systemClock } from '../lib/time.ts'
import { openRoles } from './open-roles.ts'
import {
  installedMajors,
  type ThrowawayCluster,
  type ThrowawayPostgres,
  throwawayPostgres,
} from './throwaway-cluster.ts'

describe.each(installedMajors)('roles on Postgres %i', (major) => {
  let postgres: ThrowawayPostgres
  let cluster: ThrowawayCluster
  const roles = openRoles({ clock: systemClock, log: createLog('test') })
  beforeAll(async () => {
    let t = performance.now()
    const lap = (what: string) => { console.log(major, what, Math.round(performance.now() - t)); t = performance.now() }
    postgres = await throwawayPostgres(major); lap('copy')
    cluster = await postgres.create(); lap('initdb')
    await roles.prepareCluster(cluster.socketDirectory); lap('prepare')
    await roles.prepareCluster(cluster.socketDirectory); lap('prepare again')
    await roles.ensureManager(cluster.socketDirectory, { loginName: 'a@x.example', kind: 'USER' }); lap('ensure a')
    await roles.ensureManager(cluster.socketDirectory, { loginName: 'b@x.example', kind: 'USER' }); lap('ensure b')
    for (let i = 0; i < 50; i++) await roles.ensureManager(cluster.socketDirectory, { loginName: 'b@x.example', kind: 'USER' })
    lap('ensure b again x50')
    for (let i = 0; i < 50; i++) { const c = new pg.Client({host: cluster.socketDirectory, user: 'cloud_admin', database: 'postgres'}); await c.connect(); await c.query('select 1'); await c.end() }
    lap('plain select 1 x50')
  })
  afterAll(async () => { await postgres.remove() })
  test('x', async () => {
    const a = new pg.Client({ host: cluster.socketDirectory, user: 'a@x.example', database: 'databricks_postgres' })
    await a.connect()
    await a.query('create table t (id serial primary key)')
    console.log((await a.query(`select relname, relowner::regrole from pg_class where relnamespace = 'public'::regnamespace`)).rows)
    let t = performance.now()
    for (let i = 0; i < 300; i++) await a.query(`create table t${i} (id int)`)
    console.log('create table ms', (performance.now() - t) / 300); t = performance.now()
    for (let i = 0; i < 300; i++) await a.query(`create temp table t${i} (id int)`)
    console.log('create temp ms', (performance.now() - t) / 300); t = performance.now()
    await a.end()
    const s = new pg.Client({ host: cluster.socketDirectory, user: 'cloud_admin', database: 'databricks_postgres' })
    await s.connect()
    await s.query('create schema z; set search_path = z; set event_triggers=off').catch(async () => { await s.query(`create schema z`); await s.query(`set search_path=z`); await s.query('alter event trigger lakelet_adopt_database disable; alter event trigger lakelet_share_ownership disable')})
    t = performance.now()
    for (let i = 0; i < 300; i++) await s.query(`create table t${i} (id int)`)
    console.log('without: create table ms', (performance.now() - t) / 300); t = performance.now()
    for (let i = 0; i < 300; i++) await s.query(`create temp table t${i} (id int)`)
    console.log('without: create temp ms', (performance.now() - t) / 300); t = performance.now()
    await s.end()
    expect(1).toBe(1)
  })
})

/**
 * The served API against its contract, on one real server: names of tests cite the section or the row
 * that they hold the server to. By resource in the folder beside this file.
 */
import { afterAll, beforeAll } from 'vitest'
import { TestServer } from '../fixtures/server.ts'
import { branchContract } from './contract/branches.ts'
import { endpointContract } from './contract/endpoints.ts'
import { projectContract } from './contract/projects.ts'
import { surfaceContract } from './contract/surface.ts'

let server: TestServer
const serverOf = () => server

beforeAll(async () => {
  server = await TestServer.start()
})
afterAll(async () => {
  await server?.dispose()
})

surfaceContract(serverOf)
projectContract(serverOf)
branchContract(serverOf)
endpointContract(serverOf)

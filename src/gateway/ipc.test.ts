/** Gateway and server as two ends of a channel: structured clone (a MessageChannel) and JSON. */
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import type { GatewayLink, SessionAsk } from '../actions/session.ts'
import { Fault } from '../domain/faults.ts'
import type { EndpointUid } from '../domain/names.ts'
import { millis, seconds, systemClock } from '../lib/time.ts'
import { controlGateway, gatewayProcess, type IpcPeer, ipcTransport } from './ipc.ts'
import { Rpc, type Transport } from './rpc.ts'

const log = pino({ level: 'silent' })

/** A port as Node's IPC channel looks; `isJson` as its default serialization treats messages. */
function peerOf(port: MessagePort, isJson: boolean): IpcPeer {
  return {
    send(message, _handle, _options, callback) {
      port.postMessage(isJson ? JSON.parse(JSON.stringify(message)) : message)
      callback(null)
      return true
    },
    on(event: 'message' | 'disconnect', listener: (message: unknown) => void) {
      return port.on(event === 'disconnect' ? 'close' : event, listener)
    },
  }
}

function channel(isJson = false): { left: Transport; right: Transport; close(): void } {
  const { port1, port2 } = new MessageChannel()
  return {
    left: ipcTransport(peerOf(port1, isJson)),
    right: ipcTransport(peerOf(port2, isJson)),
    close: () => port1.close(),
  }
}

describe('rpc', () => {
  test('calls go both ways over one channel, many at once', async () => {
    const { left, right, close } = channel()
    const one = new Rpc(left, { double: (n: number) => n * 2 }, log)
    const two = new Rpc(right, { half: async (n: number) => n / 2 }, log)
    const numbers = Array.from({ length: 50 }, (_, n) => n)
    const doubled = await Promise.all(numbers.map((n) => two.call('double', n, seconds(5))))
    const halved = await Promise.all(numbers.map((n) => one.call('half', n, seconds(5))))
    expect(doubled).toEqual(numbers.map((n) => n * 2))
    expect(halved).toEqual(numbers.map((n) => n / 2))
    close()
  })

  test('a fault crosses as itself; any other error stays behind', async () => {
    const { left, right, close } = channel()
    const caller = new Rpc(left, {}, log)
    new Rpc(
      right,
      {
        expected: () => {
          throw new Fault('ENDPOINT_DISABLED')
        },
        broken: () => {
          throw new Error('secret path /etc')
        },
      },
      log,
    )
    await expect(caller.call('expected', null, seconds(5))).rejects.toMatchObject({
      reason: 'ENDPOINT_DISABLED',
    })
    for (const method of ['broken', 'absent', 'constructor']) {
      const failure = caller.call(method, null, seconds(5))
      await expect(failure).rejects.toMatchObject({ reason: 'INTERNAL' })
      await expect(failure).rejects.not.toThrow('secret')
    }
    close()
  })

  test('a call ends by its deadline, by the loss of the channel, and after it at once', async () => {
    const { left, right, close } = channel()
    const caller = new Rpc(left, {}, log)
    new Rpc(right, { never: () => new Promise(() => undefined) }, log)
    const say = { reason: 'UNAVAILABLE', facts: { doing: 'not answering' } }
    await expect(caller.call('never', null, millis(20))).rejects.toMatchObject(say)
    const lost = caller.call('never', null, seconds(60))
    close()
    const unreachable = { reason: 'UNAVAILABLE', facts: { doing: 'not reachable' } }
    await expect(lost).rejects.toMatchObject(unreachable)
    await expect(caller.call('never', null, seconds(60))).rejects.toMatchObject(unreachable)
    caller.tell('never', null)
  })

  test('what is not ours on the channel is passed over', async () => {
    const { left, right, close } = channel()
    const caller = new Rpc(left, {}, log)
    new Rpc(right, { echo: (value: unknown) => value }, log)
    for (const noise of [null, 7, 'x', {}, { rpc: 'value', id: 99 }]) left.send(noise)
    expect(await caller.call('echo', 'still here', seconds(5))).toBe('still here')
    close()
  })
})

const link: GatewayLink & { asks: SessionAsk[] } = {
  asks: [],
  async challenge(ask) {
    this.asks.push(ask)
    return { kind: 'password' }
  },
  open: async () => ({ kind: 'refused', fault: { reason: 'ENDPOINT_DISABLED', facts: {} } }),
  certificate: async () => {
    throw new Fault('ENDPOINT_UNNAMED')
  },
  refused: () => undefined,
  closed: () => undefined,
}

describe.each([false, true])('gateway process (JSON: %s)', (isJson) => {
  test('is started, controlled and stopped over the channel', async () => {
    const { left, right, close } = channel(isJson)
    const life = gatewayProcess({ transport: right, log, clock: systemClock })
    const control = controlGateway(left, link, log)
    await expect(control.listen(['127.0.0.1'])).rejects.toMatchObject({ reason: 'UNAVAILABLE' })
    const { port } = await control.start({ port: 0, addresses: ['127.0.0.1'] })
    expect(port).toBeGreaterThan(0)
    expect(await control.listen(['127.88.9.1', '192.0.2.1'])).toMatchObject([
      { address: '192.0.2.1' },
    ])
    await control.unlisten(['127.88.9.1'])
    await control.endSessions('ep-none' as EndpointUid)
    expect(await control.metrics()).toMatchObject({ sessions: 0 })

    const second = channel(isJson)
    const other = gatewayProcess({ transport: second.right, log, clock: systemClock })
    const rival = controlGateway(second.left, link, log)
    await expect(rival.start({ port, addresses: ['127.0.0.1'] })).rejects.toThrow('EADDRINUSE')
    second.close()
    await other

    await control.stop()
    await life
    close()
  })

  test('drains and ends when the server is lost, and frees the port at once', async () => {
    const { left, right, close } = channel(isJson)
    const life = gatewayProcess({ transport: right, log, clock: systemClock })
    const { port } = await controlGateway(left, link, log).start({
      port: 0,
      addresses: ['127.0.0.1'],
    })
    close()
    await life
    const next = channel(isJson)
    const successor = gatewayProcess({ transport: next.right, log, clock: systemClock })
    const control = controlGateway(next.left, link, log)
    expect(await control.start({ port, addresses: ['127.0.0.1'] })).toEqual({ port })
    await control.stop()
    await successor
    next.close()
  })
})

/** The byte pipe alone, between sockets of different pace. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { millis, seconds, systemClock } from '../lib/time.ts'
import { relay } from './relay.ts'

test('both directions at once arrive whole, whatever the pace of either side', async () => {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address() as { port: number }
  const pair = async (): Promise<[Socket, Socket]> => {
    const far = connect({ port: address.port, host: '127.0.0.1', allowHalfOpen: true })
    const [near] = (await once(server, 'connection')) as [Socket]
    return [far, near]
  }
  const [client, nearClient] = await pair()
  const [compute, nearCompute] = await pair()
  const pipe = relay(nearClient, nearCompute, { buffer: 65_536, drain: seconds(5) })
  const size = 8 * 2 ** 20
  const sendAll = (socket: Socket) => {
    const piece = Buffer.alloc(size / 64, 7)
    for (let n = 0; n < 64; n += 1) socket.write(piece)
    socket.end()
  }
  let mostBuffered = 0
  const readSlowly = async (socket: Socket, pause: number) => {
    let total = 0
    for await (const chunk of socket) {
      total += (chunk as Buffer).length
      mostBuffered = Math.max(
        mostBuffered,
        nearClient.writableLength + nearClient.readableLength,
        nearCompute.writableLength + nearCompute.readableLength,
      )
      if (total % 1_000_000 < 65_536) await systemClock.sleep(millis(pause))
    }
    return total
  }
  sendAll(client)
  sendAll(compute)
  expect(await Promise.all([readSlowly(client, 10), readSlowly(compute, 1)])).toEqual([size, size])
  expect(mostBuffered).toBeLessThanOrEqual(4 * 65_536)
  await pipe.closed
  expect(pipe).toMatchObject({ bytesFromClient: size, bytesToClient: size })
  server.close()
})

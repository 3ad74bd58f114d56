/**
 * Reading a socket by hand while a connection is being set up: one chunk at a time, nothing taken
 * that the next owner of the socket should see, and every wait ends by a signal.
 */
import type { Socket } from 'node:net'

/**
 * The next bytes; `undefined` when the peer has ended, the socket is gone or the signal aborted.
 * Between calls at most one more chunk is read ahead; then the kernel holds the peer back.
 */
export function nextChunk(socket: Socket, signal: AbortSignal): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const settle = (chunk: Buffer | undefined) => {
      socket.off('readable', look)
      socket.off('end', gone)
      socket.off('close', gone)
      signal.removeEventListener('abort', gone)
      resolve(chunk)
    }
    const gone = () => settle(undefined)
    const look = () => {
      const chunk: unknown = socket.read()
      if (Buffer.isBuffer(chunk)) settle(chunk)
    }
    if (signal.aborted || socket.destroyed || socket.readableEnded) {
      resolve(undefined)
      return
    }
    socket.on('readable', look)
    socket.once('end', gone)
    socket.once('close', gone)
    signal.addEventListener('abort', gone, { once: true })
    if (socket.readableLength > 0) look()
  })
}

/** Sends a last message, waits a while for the peer to take it, and is done with the socket. */
export function sayAndClose(
  socket: Socket,
  lastWords: Buffer | undefined,
  patience: AbortSignal,
): void {
  if (socket.destroyed) return
  const destroy = () => socket.destroy()
  patience.addEventListener('abort', destroy, { once: true })
  socket.once('close', () => patience.removeEventListener('abort', destroy))
  // Unread bytes at close make the kernel reset the connection, and the peer loses the message.
  socket.resume()
  socket.once('end', () => socket.destroySoon())
  if (lastWords === undefined) socket.end()
  else socket.end(lastWords)
}

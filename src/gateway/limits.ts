/**
 * Every bound of the gateway in one place: how long each stage may take, how many may be in it, how
 * much is buffered. A client is a stranger until its proof is in; until then it may cost little.
 */
import { days, hours, type Millis, millis, minutes, seconds } from '../lib/time.ts'

export interface GatewayLimits {
  // How long a stage may take in all, however busily the client trickles bytes
  readonly firstByte: Millis
  readonly tlsHandshake: Millis
  readonly startup: Millis
  readonly proof: Millis
  /** From accept to proof. */
  readonly handshake: Millis
  /** Server: how to prove oneself, which certificate. */
  readonly decision: Millis
  /** Server: authenticate, wake the compute. */
  readonly open: Millis
  /** Compute: connect (retried every `connectRetry`) and log in. */
  readonly computeLogin: Millis
  readonly connectRetry: Millis
  /** Delivery of a compute's answer to a cancel, of a last message to a client. */
  readonly farewell: Millis

  // How many at once
  /** Connections without a proof, in all and from one address (on loopback everyone has the same). */
  readonly strangers: number
  readonly strangersPerAddress: number
  /** Proved connections that wait for the server and the compute. */
  readonly opening: number

  // Failed log-ins from one address for one role
  readonly freeFailures: number
  readonly failureDelay: Millis
  readonly failureMemory: Millis

  // Sessions
  readonly idle: Millis
  readonly life: Millis
  /** Between the end of one side and the end of the other. */
  readonly drain: Millis
  /** Per socket and direction; four such buffers lie between client and compute. */
  readonly buffer: number
  readonly keepAlive: Millis
}

export const defaultLimits: GatewayLimits = {
  firstByte: seconds(5),
  tlsHandshake: seconds(10),
  startup: seconds(5),
  proof: seconds(30),
  handshake: seconds(45),
  decision: seconds(10),
  open: seconds(90),
  computeLogin: seconds(15),
  connectRetry: millis(20),
  farewell: seconds(5),

  strangers: 200,
  strangersPerAddress: 150, // a hundred clients at once are one pool that starts
  opening: 2_000,

  freeFailures: 5,
  failureDelay: seconds(1),
  failureMemory: minutes(1),

  // https://docs.databricks.com/aws/en/oltp/ (connect): 24 hours idle, 3 days in all
  idle: hours(24),
  life: days(3),
  drain: minutes(1),
  buffer: 65_536,
  keepAlive: minutes(1),
}

/** The server killed at every failpoint of operations on projects, endpoints and snapshots. */
import { killingSuite } from './killing-suite.ts'

killingSuite(/-(project|endpoint|snapshot)$/)

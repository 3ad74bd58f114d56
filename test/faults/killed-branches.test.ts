/** The server killed at every failpoint of operations on branches and snapshots. */
import { killingSuite } from './killing-suite.ts'

killingSuite(/-(branch|snapshot)$|^update-endpoint$/)

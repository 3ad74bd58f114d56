/** The server killed at every failpoint of operations on branches. */
import { killingSuite } from './killing-suite.ts'

killingSuite(/-branch$/)

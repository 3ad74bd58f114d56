/** `oidc-provider` as this room uses it: loaded after what it needs on Node 20. */
import './before-provider.ts'

import { errors, Provider } from 'oidc-provider'
import { restoreWarnings } from './before-provider.ts'

restoreWarnings()

export { errors, Provider }

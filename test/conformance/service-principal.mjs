/** A service principal with a client secret, made as an administrator makes one. */
import { apiOf } from '../clients/api.mjs'

const owner = apiOf(process.env.DATABRICKS_TOKEN)

/** May manage the projects named; answers with what a program needs to log in as it. */
export async function makeServicePrincipal(displayName, projects) {
  const { id, applicationId } = await owner.call(
    'POST',
    '/api/2.0/preview/scim/v2/ServicePrincipals',
    { displayName, active: true },
  )
  const { secret } = await owner.call(
    'POST',
    `/api/2.0/accounts/servicePrincipals/${id}/credentials/secrets`,
    {},
  )
  for (const project of projects) {
    await owner.call('PATCH', `/api/2.0/permissions/database-projects/${project}`, {
      access_control_list: [
        { service_principal_name: applicationId, permission_level: 'CAN_MANAGE' },
      ],
    })
  }
  return { clientId: applicationId, clientSecret: secret }
}

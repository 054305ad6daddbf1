/** A JSON Web Token: three parts of base64url, of which the first two are JSON objects. */
export const WEB_TOKEN = /e[wy][\w-]*\.e[wy][\w-]*\.[\w-]+/;

import fastify from 'fastify';

/**
 * What any service in Fastify pays for: it reads JSON, and answers each body alike with the JSON that the environment gives
 * it. The benches run it in a process of its own. Like the service it logs no requests.
 */
const answer: unknown = JSON.parse(process.env['ANSWER'] ?? '{}');
const app = fastify();
app.get('/health/ready', () => ({ status: 'ready' }));
app.post('/v1/evaluations', () => answer);
console.log(`Server listening at ${await app.listen({ host: '127.0.0.1', port: 0 })}`);
